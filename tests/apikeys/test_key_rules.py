"""Key rules: what they refuse, who changes them, and which keys break them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import networks, services
from apikeys.errors import RulesBroken
from apikeys.models import Key, KeyRules
from apikeys.rules import NO_RULES, Issuers, KeyFacts, KeyRule, Rules, broken, rotation_due
from apikeys.services import Changes, Issued
from apikeys.services.callers import Caller
from apikeys.services.rules import breaking, due_for_rotation, rotations_due, rules_of
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.test_keys_api import GOOD, create, send
from tests.conftest import SYSTEM, IssueKey, api, client_of, join
from tests.tenants.tokens.forge import signed_in

pytestmark = pytest.mark.django_db
AT = datetime(2026, 1, 15, 10, tzinfo=UTC)
DAY = timedelta(days=1)
ACME = networks.parse(["192.0.2.0/24"])


@pytest.fixture
def olivia(acme: Organization) -> User:
    return join(acme, "olivia", Role.OWNER)


def ruled(organization: Organization, **rules: Any) -> Rules:
    """Store the rules without anyone's leave."""
    row, _ = KeyRules.objects.update_or_create(organization=organization, defaults=rules)
    return row.rules


def facts(**more: Any) -> KeyFacts:
    usual: dict[str, Any] = {"environment": "live", "created_at": AT, "expires_at": AT + DAY}
    return KeyFacts(**usual | more)


@pytest.mark.parametrize(
    ("rules", "key", "rule"),
    [
        (Rules(allows_never=False), facts(expires_at=None), KeyRule.NEVER),
        (Rules(longest_days=30), facts(expires_at=None), KeyRule.NEVER),
        (Rules(longest_days=30), facts(expires_at=AT + 31 * DAY + DAY / 12), KeyRule.LIFETIME),
        (Rules(live_networks=ACME), facts(), KeyRule.NETWORKS),
        (
            Rules(live_networks=ACME),
            facts(allowed=networks.parse(["192.0.2.7", "198.51.100.0/24"])),
            KeyRule.NETWORKS,
        ),
        (Rules(issuers=Issuers.ADMINS), facts(is_of_member=True), KeyRule.ISSUERS),
    ],
)
def test_each_rule_is_broken_by_its_cause_alone(rules: Rules, key: KeyFacts, rule: KeyRule) -> None:
    (flaw,) = broken(key, rules)
    assert flaw.rule is rule
    assert broken(key, NO_RULES) == ()


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        (Rules(longest_days=30), facts(expires_at=AT + 30 * DAY + timedelta(hours=23))),
        (Rules(live_networks=ACME), facts(environment="test")),
        (Rules(live_networks=ACME), facts(allowed=networks.parse(["192.0.2.7"]))),
        (Rules(issuers=Issuers.ADMINS), facts()),
        (Rules(needs_approval=True, rotate_live_days=1), facts()),
    ],
)
def test_key_within_the_rules_breaks_none(rules: Rules, key: KeyFacts) -> None:
    assert broken(key, rules) == ()


def test_networks_of_every_address_demand_that_keys_are_bound() -> None:
    anywhere = Rules(live_networks=networks.parse(["0.0.0.0/0", "::/0"]))
    assert broken(facts(), anywhere)
    assert not broken(facts(allowed=ACME), anywhere)


def test_member_is_refused_while_only_admins_can_have_keys(
    acme: Organization, bob: User, alice: User
) -> None:
    managing = create(client_of(bob), scopes=["manage:api-keys"]).json()["key"]
    ruled(acme, issuers=Issuers.ADMINS)
    for caller in (client_of(bob), api(HTTP_X_API_KEY=managing)):
        answer = send(caller, body={**GOOD, "scopes": ["manage:api-keys"]})
        assert (answer.status_code, answer.json()["code"]) == (403, "key_rules_broken")
    assert create(client_of(alice)).status_code == 201


def test_refusal_names_every_broken_rule(acme: Organization, bob: User) -> None:
    ruled(acme, longest_days=30, issuers=Issuers.ADMINS)
    detail = create(client_of(bob), expires_in_days=365).json()["detail"]
    assert "30 days" in detail
    assert "Only admins and owners" in detail
    assert not Key.objects.exists()


def test_order_without_networks_gets_the_demanded_ones(acme: Organization, bob: User) -> None:
    ruled(acme, live_networks=["192.0.2.0/24"])
    assert create(client_of(bob)).json()["allowed_cidrs"] == ["192.0.2.0/24"]
    assert create(client_of(bob), environment="test").json()["allowed_cidrs"] == []
    refused = create(client_of(bob), allowed_cidrs=["198.51.100.0/24"])
    assert refused.json()["code"] == "key_rules_broken"


def test_agent_keys_obey_lifetime_and_networks(
    acme: Organization, issue_agent_key: IssueKey
) -> None:
    ruled(acme, longest_days=30, issuers=Issuers.ADMINS, live_networks=["192.0.2.0/24"])
    with pytest.raises(RulesBroken, match="must expire"):
        issue_agent_key()
    assert issue_agent_key(expires_at=timezone.now() + 30 * DAY).key.networks == ACME


def test_widening_obeys_new_rules_and_narrowing_does_not(
    acme: Organization, bob: User, public_key: Issued
) -> None:
    key, caller = public_key.key, Caller.person(bob)
    ruled(acme, allows_never=False)

    def edit(**changes: Any) -> None:
        within = caller.authority_in(acme.pk)
        services.edit(key=key, changes=Changes(**changes), within=within, by=caller.actor)

    with pytest.raises(RulesBroken):
        edit(scopes=["read:audit-activity", "read:databases"])
    edit(allowed=ACME)
    edit(name="Renamed")
    key.refresh_from_db()
    assert (key.scopes, key.networks, key.name) == (["read:audit-activity"], ACME, "Renamed")


def test_resuming_a_key_that_breaks_a_rule_is_refused(
    acme: Organization, public_key: Issued
) -> None:
    services.pause(key=public_key.key, by=SYSTEM)
    ruled(acme, allows_never=False)
    with pytest.raises(RulesBroken):
        services.resume(key=public_key.key, by=SYSTEM)
    assert Key.objects.get(pk=public_key.key.pk).paused_at
    ruled(acme, allows_never=True)
    services.resume(key=public_key.key, by=SYSTEM)


def test_new_rules_list_the_keys_that_break_them_and_end_none(
    acme: Organization, bob: User, alice: User, issue_public_key: IssueKey
) -> None:
    now = timezone.now()
    never = issue_public_key(name="never").key
    long = issue_public_key(name="long", expires_at=now + 300 * DAY).key
    short = issue_public_key(name="short", owner=alice, expires_at=now + 5 * DAY).key
    rules = ruled(acme, longest_days=30)
    assert list(breaking(acme, rules, now, most=9)) == [long.pk, never.pk]
    assert len(breaking(acme, rules, now, most=1)) == 1
    rules = ruled(acme, longest_days=None, issuers=Issuers.ADMINS)
    assert short.pk not in breaking(acme, rules, now, most=9)
    rules = ruled(acme, issuers=Issuers.MEMBERS, live_networks=["192.0.2.0/24"])
    assert len(breaking(acme, rules, now, most=9)) == 3
    assert Key.objects.usable(now).count() == 3


def test_rotation_is_due_at_its_day_by_environment(
    acme: Organization, public_key: Issued, globex_public_key: Issued
) -> None:
    rules, key = ruled(acme, rotate_live_days=90), public_key.key
    due_at = key.created_at + 90 * DAY
    almost = due_at - timedelta(microseconds=1)
    assert rotation_due(key, rules, almost) is None
    assert rotation_due(key, rules, due_at) == due_at
    assert rotation_due(key, Rules(rotate_test_days=1), due_at) is None
    assert not due_for_rotation(acme, rules, until=almost)
    assert due_for_rotation(acme, rules, until=due_at).get() == key
    assert list(rotations_due(almost, due_at)) == [(key, due_at)]
    assert list(rotations_due(due_at, due_at + DAY)) == []


def test_rotation_of_a_leavers_key_is_not_due(acme: Organization, public_key: Issued) -> None:
    rules, due_at = ruled(acme, rotate_live_days=90), public_key.key.created_at + 90 * DAY
    assert due_for_rotation(acme, rules, until=due_at).exists()
    assert public_key.key.owner
    tenants.remove_member(membership=public_key.key.owner, by=SYSTEM)
    assert not due_for_rotation(acme, rules, until=due_at).exists()


def rules_url(organization: Organization) -> str:
    return f"/api/v1/organizations/{organization.public_id}/key-rules"


def patch(client: Client, organization: Organization, **rules: object) -> Any:
    return client.patch(rules_url(organization), rules, content_type="application/json")


def test_change_is_trailed_with_before_and_after(acme: Organization, alice: User) -> None:
    answer = patch(client_of(alice), acme, longest_days=90, allows_never=False)
    assert (answer.status_code, answer.json()["longest_days"]) == (200, 90)
    entry = TrailEntry.objects.get(action="key_rules.changed")
    assert '"longest_days":{"from":null,"to":90}' in entry.body
    assert patch(client_of(alice), acme, longest_days=90).status_code == 200
    assert TrailEntry.objects.filter(action="key_rules.changed").count() == 1


def test_user_token_reads_and_changes_rules(acme: Organization, alice: User) -> None:
    bearer = {"authorization": f"Bearer {signed_in(alice).access}"}
    changed = Client().patch(
        rules_url(acme), {"longest_days": 90}, content_type="application/json", headers=bearer
    )
    assert changed.status_code == 200
    assert Client().get(rules_url(acme), headers=bearer).json() == changed.json()


@pytest.mark.parametrize(
    "body",
    [
        {"longest_days": 0},
        {"longest_days": 3654},
        {"longest_days": True},
        {"issuers": "nobody"},
        {"live_networks": ["192.0.2.1/24"]},
        {"needs_approval": None},
        {"unknown": 1},
    ],
)
def test_invalid_rules_are_refused(
    body: dict[str, object], acme: Organization, alice: User
) -> None:
    assert patch(client_of(alice), acme, **body).status_code == 422
    assert rules_of(acme.pk) == NO_RULES


def test_approval_needs_two_approvers(acme: Organization, alice: User, bob: User) -> None:
    alone = patch(client_of(alice), acme, needs_approval=True)
    assert (alone.status_code, alone.json()["code"]) == (409, "not_enough_approvers")
    join(acme, "olivia", Role.OWNER)
    assert patch(client_of(alice), acme, needs_approval=True).status_code == 200


def test_only_an_owner_stops_requiring_approval(
    acme: Organization, olivia: User, alice: User
) -> None:
    ruled(acme, needs_approval=True)
    refused = patch(client_of(alice), acme, needs_approval=False)
    assert (refused.status_code, refused.json()["code"]) == (403, "approval_needs_an_owner")
    assert patch(client_of(alice), acme, longest_days=90).status_code == 200
    assert patch(client_of(olivia), acme, needs_approval=False).status_code == 200


def test_admin_stops_requiring_approval_without_any_owner(acme: Organization, alice: User) -> None:
    ruled(acme, needs_approval=True)
    assert patch(client_of(alice), acme, needs_approval=False).status_code == 200
