"""User tokens as credentials: what they resolve to, and each reason to deny one."""

from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys.services import Issued
from apikeys.verify import judge, user_tokens
from apikeys.verify.judge import Credential
from apikeys.verify.presentation import resolve
from apikeys.verify.user_tokens import Place
from audit.models import ActivityEvent
from config.lib.ids import uuid7
from config.lib.rates import Rate
from tenants import services as tenants
from tenants.access import actor
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tenants.sign_in.tokens import services as tokens
from tenants.sign_in.tokens.models import TokenFamily
from tests.apikeys.test_gateway import ask
from tests.conftest import SYSTEM, api, join, membership_of
from tests.tenants.tokens.forge import HOUR, another_user, claims, forged, header, signed_in

pytestmark = pytest.mark.django_db
WHOAMI, ACTIVITY, KEYS = "/api/v1/whoami", "/api/v1/public/audit-activity", "/api/v1/api-keys"


def bearer(token: str) -> Any:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def code(token: str, path: str = WHOAMI, **headers: Any) -> str:
    """Return "" for yes, or the code of the refusal. The gateway must agree with the API."""
    answer = api(**bearer(token), **headers).get(path)
    found = "" if answer.status_code == 200 else str(answer.json()["code"])
    if path == WHOAMI:
        gateway = ask(**bearer(token), **headers)
        assert ("" if gateway.status == 204 else gateway.code) == found
    return found


@pytest.fixture
def bobs(bob: User) -> str:
    return signed_in(bob).access


def test_whoami_describes_the_user(bobs: str, bob: User, acme: Organization) -> None:
    body = api(**bearer(bobs)).get(WHOAMI).json()
    assert [limit["limit"] for limit in body.pop("limits")] == ["user", "organization"]
    assert body.pop("expires_at")
    assert "manage:api-keys" in body["scopes"]
    assert not {scope for scope in body.pop("scopes") if "agent" in scope or scope == "admin"}
    assert body == {
        "key_id": None,
        "application_id": None,
        "name": bob.email,
        "kind": "public",
        "environment": "live",
        "organization": {"id": acme.public_id, "name": "Acme", "slug": "acme"},
        "owner": {"id": bob.public_id, "email": bob.email},
        "rotating_out": False,
        "rotating_out_at": None,
    }


def test_gateway_names_the_owner_and_no_key(bobs: str, bob: User, acme: Organization) -> None:
    answer = ask(None, "scope=read:audit-activity", **bearer(bobs))
    assert answer.status == 204
    identity = {name: text for name, text in answer.headers.items() if name[:9] == "X-Keyway-"}
    assert identity.pop("X-Keyway-Scopes").split()
    assert identity == {
        "X-Keyway-Organization": acme.public_id,
        "X-Keyway-Kind": "public",
        "X-Keyway-Environment": "live",
        "X-Keyway-Owner": bob.public_id,
    }
    assert ask(None, "scope=admin", **bearer(bobs)).code == "insufficient_scope"
    assert ask(None, "organization=globex", **bearer(bobs)).code == "wrong_organization"


def test_actor_is_the_user_as_in_a_session(bobs: str, bob: User) -> None:
    outcome = resolve(bearer(bobs), at=timezone.now())
    assert isinstance(outcome, Credential)
    assert outcome.actor("192.0.2.1") == actor(bob, "192.0.2.1")
    assert outcome.presented is None  # uses of tokens are not recorded one by one


def test_scopes_are_those_of_the_role_now(bobs: str, bob: User, acme: Organization) -> None:
    assert code(bobs, ACTIVITY) == ""
    tenants.change_role(membership=membership_of(bob), role=Role.AUDITOR, by=SYSTEM)
    assert code(bobs, ACTIVITY) == "insufficient_scope"
    assert api(**bearer(bobs)).get(WHOAMI).json()["scopes"] == []
    olivia = signed_in(join(acme, "olivia", Role.OWNER)).access
    assert ask(None, "scope=admin", **bearer(olivia)).status == 204
    assert ask(None, "scope=write:agent-events", **bearer(olivia)).code == "insufficient_scope"


def test_agents_calls_name_the_token(bobs: str, agent_key: Issued) -> None:
    assert api(agent_key).get("/api/v1/agent/config").status_code == 200
    answer = api(**bearer(bobs)).get("/api/v1/agent/config")
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_key_type")
    assert answer.json()["detail"] == "This call takes an agent key; this is a user token."


def test_agent_key_on_activity_is_wrong_key_type(agent_key: Issued, public_key: Issued) -> None:
    assert api(public_key).get(ACTIVITY).status_code == 200
    answer = api(agent_key).get(ACTIVITY)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_key_type")


def test_several_organizations_need_a_name(bobs: str, bob: User, globex: Organization) -> None:
    assert code(bobs) == ""
    tenants.add_member(organization=globex, user=bob, role=Role.AUDITOR, by=SYSTEM)
    answer = api(**bearer(bobs)).get(WHOAMI)
    assert (answer.status_code, answer.json()["code"]) == (400, "organization_required")
    assert "X-Organization-Id" in answer.json()["detail"]
    assert code(bobs) == "organization_required"
    for named, slug in (("acme", "acme"), (globex.public_id, "globex")):
        body = api(**bearer(bobs), HTTP_X_ORGANIZATION_ID=named).get(WHOAMI).json()
        assert body["organization"]["slug"] == slug
    assert code(bobs, ACTIVITY, HTTP_X_ORGANIZATION_ID="globex") == "insufficient_scope"
    # Management acts in all organizations of the person, and needs no name.
    assert api(**bearer(bobs)).get(KEYS).status_code == 200


@pytest.mark.parametrize("named", ["globex", "nowhere", "org_0", "", "é", "acme,globex"])
def test_foreign_organization_is_like_an_unknown_one(
    named: str, bobs: str, globex: Organization
) -> None:
    assert code(bobs, HTTP_X_ORGANIZATION_ID="acme") == ""
    refused = api(**bearer(bobs), HTTP_X_ORGANIZATION_ID=named).get(WHOAMI)
    unknown = api(**bearer(bobs), HTTP_X_ORGANIZATION_ID="unknown").get(WHOAMI)
    assert refused.json() == unknown.json()
    assert code(bobs, HTTP_X_ORGANIZATION_ID=named) == "wrong_organization"
    # The refusal was for the name. The token itself is as good as before.
    assert code(bobs, HTTP_X_ORGANIZATION_ID="acme") == ""


def test_staff_get_no_organization_of_others(staff: User, acme: Organization) -> None:
    token = signed_in(staff).access
    assert code(token) == "wrong_organization"
    assert code(token, HTTP_X_ORGANIZATION_ID="acme") == "wrong_organization"
    tenants.add_member(organization=acme, user=staff, role=Role.MEMBER, by=SYSTEM)
    assert code(token) == ""


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        (
            "owner_inactive",
            lambda bob: tenants.deactivate_member(membership=membership_of(bob), by=SYSTEM),
        ),
        (
            "wrong_organization",
            lambda bob: tenants.remove_member(membership=membership_of(bob), by=SYSTEM),
        ),
        (
            "organization_suspended",
            lambda bob: tenants.suspend_organization(
                organization=membership_of(bob).organization, by=SYSTEM
            ),
        ),
        ("invalid_token", lambda bob: User.objects.filter(pk=bob.pk).update(is_active=False)),
        ("invalid_token", lambda bob: User.objects.filter(pk=bob.pk).update(password="!")),
        (
            "invalid_token",
            lambda bob: tokens.end_family(TokenFamily.objects.get(user=bob).pk, at=timezone.now()),
        ),
    ],
)
def test_change_denies_the_next_request(
    reason: str, change: Any, bobs: str, bob: User, mallory: User
) -> None:
    bystander = signed_in(mallory).access
    assert code(bobs) == code(bystander) == ""
    change(bob)
    answer = api(**bearer(bobs)).get(WHOAMI)
    assert answer.json()["code"] == reason
    if answer.status_code == 401:
        assert 'error="invalid_token"' in answer["WWW-Authenticate"]
    assert code(bobs) == reason
    assert code(bystander) == ""


def test_deactivated_place_does_not_hide_the_other(
    bobs: str, bob: User, globex: Organization
) -> None:
    elsewhere = tenants.add_member(organization=globex, user=bob, role=Role.MEMBER, by=SYSTEM)
    tenants.deactivate_member(
        membership=Membership.objects.get(user=bob, organization=globex), by=SYSTEM
    )
    assert elsewhere is not None
    assert code(bobs) == ""
    assert code(bobs, HTTP_X_ORGANIZATION_ID="globex") == "owner_inactive"


def test_expired_or_forged_token_says_so(bob: User) -> None:
    assert code(signed_in(bob).access) == ""
    assert code(signed_in(bob, at=timezone.now() - HOUR).access) == "expired_token"
    pair = signed_in(bob)
    assert code(pair.refresh) == "invalid_token"
    assert code(pair.access[:-4] + "AAAA") == "invalid_token"
    assert code("a.b.c") == "invalid_token"
    assert code("eyJ") == "invalid_token"
    assert code(forged(header(), claims(pair.access, sub=another_user()))) == "invalid_token"
    assert code(pair.refresh, KEYS) == "invalid_token"


def test_environment_is_live_unless_named(bobs: str, acme: Organization) -> None:
    for environment in ("live", "test"):
        ActivityEvent.objects.create(
            organization_id=acme.pk, environment=environment, event_id=uuid7(),
            event_time=timezone.now(), received_at=timezone.now(), host=f"{environment}-host",
            action_id="SL", succeeded=True, digest=b"0" * 16,
        )  # fmt: skip

    def hosts(**headers: Any) -> list[str]:
        page = api(**bearer(bobs), **headers).get(ACTIVITY).json()
        return [event["host"] for event in page["data"]]

    assert hosts() == hosts(HTTP_X_KEYWAY_ENVIRONMENT="live") == ["live-host"]
    assert hosts(HTTP_X_KEYWAY_ENVIRONMENT="test") == ["test-host"]
    assert ask(None, "environment=live", **bearer(bobs)).status == 204
    assert (
        ask(None, "environment=live", **bearer(bobs), HTTP_X_KEYWAY_ENVIRONMENT="test").code
        == "wrong_environment"
    )


@pytest.mark.parametrize("named", ["", "TEST", "production", "test,live", "é"])
def test_unknown_environment_is_refused(named: str, bobs: str, public_key: Issued) -> None:
    assert code(bobs) == ""
    assert code(bobs, HTTP_X_KEYWAY_ENVIRONMENT=named) == "wrong_environment"
    answer = api(public_key, HTTP_X_KEYWAY_ENVIRONMENT=named).get(WHOAMI)
    assert answer.json()["code"] == "wrong_environment"
    assert not named or named not in answer.json()["detail"].partition("X-Keyway")[0]


def test_key_is_refused_for_the_other_environment(public_key: Issued) -> None:
    assert api(public_key, HTTP_X_KEYWAY_ENVIRONMENT="live").get(WHOAMI).status_code == 200
    answer = api(public_key, HTTP_X_KEYWAY_ENVIRONMENT="test").get(WHOAMI)
    assert answer.json()["code"] == "wrong_environment"


def test_limit_counts_all_tokens_of_one_user(
    bob: User, alice: User, public_key: Issued, settings: Settings
) -> None:
    settings.KEYWAY_LIMITS = dict.fromkeys(settings.KEYWAY_LIMITS) | {"user": Rate(4, 60)}
    first, second = signed_in(bob).access, signed_in(bob).access
    for token in (first, second):
        assert code(token) == ""  # asks the API and the gateway
    assert code(first) == code(second) == "rate_limited"
    assert code(signed_in(alice).access) == ""
    assert api(public_key).get(WHOAMI).status_code == 200


def test_probing_organizations_spends_refusals(
    bobs: str, acme: Organization, settings: Settings
) -> None:
    settings.KEYWAY_LIMITS = dict.fromkeys(settings.KEYWAY_LIMITS) | {"refused": Rate(3, 60)}
    answers = [
        api(**bearer(bobs), HTTP_X_ORGANIZATION_ID=f"guess-{number}").get(WHOAMI).status_code
        for number in range(5)
    ]
    assert answers == [403, 403, 403, 429, 429]
    assert api(**bearer(bobs)).get(WHOAMI).status_code == 200


def test_token_beside_a_key_is_several_credentials(bobs: str, public_key: Issued) -> None:
    assert code(bobs) == ""
    for path in (WHOAMI, KEYS):
        answer = api(public_key, **bearer(bobs)).get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "several_credentials")


def test_outage_is_unavailable_and_never_401(bobs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    assert code(bobs) == ""
    monkeypatch.setattr(tokens, "authenticate", away)
    assert code(bobs) == "unavailable"


def test_request_reads_twice_and_writes_nothing(
    bobs: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The sign-in with its user, and the memberships with their organizations."""
    with django_assert_num_queries(2) as read:
        assert isinstance(user_tokens.verify(bobs, Place(), now=timezone.now()), Credential)
    assert ["tokenfamily" in read[0]["sql"], "membership" in read[1]["sql"]] == [True, True]
    with django_assert_num_queries(0):
        assert code("a.b.c") == "invalid_token"


def test_credential_is_one_of_three_subjects(bobs: str, public_key: Issued) -> None:
    user = resolve(bearer(bobs), at=timezone.now())
    key = judge.verify(public_key.plaintext.reveal(), now=timezone.now())
    assert isinstance(user, Credential)
    assert isinstance(key, Credential)
    assert (user.subject, user.is_token, key.subject, key.is_token) == ("user", True, "key", False)
