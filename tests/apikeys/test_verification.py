"""Each refusal starts from a key that was just accepted and asserts its reason."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys import services as keys
from apikeys.kind import Kind
from apikeys.models import Key, Secret
from apikeys.services import Issued
from apikeys.verify import hashing, secret
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, authorize, verify
from config.lib.peppers import Pepper, parse_peppers
from tenants import services as tenants
from tenants.models import Organization, User
from tests.conftest import SYSTEM, IssueKey, membership_of

pytestmark = pytest.mark.django_db


def outcome(issued: Issued, now: datetime | None = None) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=now or timezone.now())


def accepted(issued: Issued) -> bool:
    return isinstance(outcome(issued), Credential)


def test_a_key_resolves_to_its_organization_kind_environment_and_scopes(
    public_key: Issued, bob: User
) -> None:
    credential = outcome(public_key)
    assert isinstance(credential, Credential)
    assert credential.organization.slug == "acme"
    assert (credential.kind, credential.environment) == (Kind.PUBLIC, "live")
    assert credential.scopes == {"read:audit-activity"}
    assert credential.owner_id == bob.pk


CHANGES: list[tuple[Reason, Callable[[Issued], object]]] = [
    (Reason.REVOKED_KEY, lambda issued: keys.revoke(key=issued.key, by=SYSTEM)),
    (Reason.PAUSED_KEY, lambda issued: keys.pause(key=issued.key, by=SYSTEM)),
    (
        Reason.OWNER_INACTIVE,
        lambda issued: tenants.deactivate_member(membership=issued.key.owner, by=SYSTEM),
    ),
    (
        Reason.OWNER_INACTIVE,
        lambda issued: tenants.remove_member(membership=issued.key.owner, by=SYSTEM),
    ),
    (
        Reason.OWNER_INACTIVE,
        lambda issued: tenants.deactivate_user(user=issued.key.owner.user, by=SYSTEM),
    ),
    (
        Reason.ORGANIZATION_SUSPENDED,
        lambda issued: tenants.suspend_organization(
            organization=issued.key.organization, by=SYSTEM
        ),
    ),
]


@pytest.mark.parametrize(("reason", "change"), CHANGES)
def test_the_next_presentation_after_a_change_is_refused_with_its_reason(
    reason: Reason,
    change: Callable[[Issued], object],
    public_key: Issued,
    globex_public_key: Issued,
    alice: User,
) -> None:
    assert accepted(public_key)
    change(public_key)
    assert outcome(public_key) == Denial(reason)
    assert accepted(globex_public_key)


def test_keys_of_colleagues_go_on_when_one_is_revoked_or_deactivated(
    public_key: Issued, agent_key: Issued, issue_public_key: IssueKey, alice: User
) -> None:
    other = issue_public_key(name="Bob's other key")
    colleague = issue_public_key(owner=alice, name="Alice's key")
    keys.revoke(key=public_key.key, by=SYSTEM)
    assert accepted(other)
    tenants.deactivate_member(membership=public_key.key.owner, by=SYSTEM)
    assert outcome(other) == Denial(Reason.OWNER_INACTIVE)
    assert accepted(colleague)
    assert accepted(agent_key)


def test_a_key_expires_to_the_microsecond(issue_public_key: IssueKey) -> None:
    expires_at = timezone.now() + timedelta(days=1)
    issued = issue_public_key(expires_at=expires_at)
    assert isinstance(outcome(issued, expires_at - timedelta(microseconds=1)), Credential)
    assert outcome(issued, expires_at) == Denial(Reason.EXPIRED_KEY)
    assert outcome(issued, expires_at + timedelta(seconds=1)) == Denial(Reason.EXPIRED_KEY)


def test_coming_back_from_deactivation_revives_the_usable_key_but_not_the_revoked_one(
    public_key: Issued, issue_public_key: IssueKey, alice: User
) -> None:
    revoked = issue_public_key(name="revoked before")
    keys.revoke(key=revoked.key, by=SYSTEM)
    membership = public_key.key.owner
    tenants.deactivate_member(membership=membership, by=SYSTEM)
    tenants.reactivate_member(membership=membership, by=SYSTEM)
    assert accepted(public_key)
    assert outcome(revoked) == Denial(Reason.REVOKED_KEY)


def test_coming_back_after_removal_revives_no_key(
    public_key: Issued, bob: User, acme: Organization, alice: User
) -> None:
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    tenants.add_member(organization=acme, user=bob, role="member", by=SYSTEM)
    assert outcome(public_key) == Denial(Reason.OWNER_INACTIVE)


def test_a_paused_key_works_again_when_resumed(public_key: Issued) -> None:
    keys.pause(key=public_key.key, by=SYSTEM)
    assert outcome(public_key) == Denial(Reason.PAUSED_KEY)
    keys.resume(key=public_key.key, by=SYSTEM)
    assert accepted(public_key)


def forgeries(issued: Issued) -> list[str]:
    text = issued.plaintext.reveal()
    flipped = ("A" if text[-1] != "A" else "B") if len(text) else ""
    return [
        "",
        "x",
        text[:-1],
        text + "0",
        text[:-1] + flipped,
        text.upper(),
        text.replace("_live_", "_test_"),
        "sk_live_" + "0" * 32,
    ]


def test_a_forged_secret_costs_no_query_and_no_argon2(
    public_key: Issued,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hashing, "holds", lambda *_: pytest.fail("Argon2 was asked"))
    with django_assert_num_queries(0):
        for forged in forgeries(public_key):
            assert verify(forged, now=timezone.now()) == Denial(Reason.INVALID_KEY), forged


def test_a_warm_verification_costs_one_query_and_no_argon2(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accepted(public_key)
    monkeypatch.setattr(hashing.PasswordHasher, "verify", lambda *_: pytest.fail("Argon2 ran"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert accepted(public_key)
    assert len(queries) == 1
    statement = queries[0]["sql"]
    assert all(
        table in statement
        for table in ("apikeys_secret", "apikeys_key", "tenants_organization", "tenants_membership")
    )


def test_a_well_tagged_secret_without_a_row_costs_one_query_and_no_argon2(
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stranger = secret.mint("sk", "live", settings.KEYWAY_PEPPERS[0])
    monkeypatch.setattr(hashing, "holds", lambda *_: pytest.fail("Argon2 was asked"))
    with django_assert_num_queries(1):
        assert verify(stranger.plaintext.reveal(), now=timezone.now()) == Denial(Reason.INVALID_KEY)


def test_the_lookup_finds_but_does_not_prove(public_key: Issued, settings: Settings) -> None:
    """Somebody who can write lookups into rows, but makes no Argon2 proof, gets nowhere."""
    stranger = secret.mint("sk", "live", settings.KEYWAY_PEPPERS[0])
    Secret.objects.create(
        key=Key.objects.get(pk=public_key.key.pk),
        lookup=stranger.lookup,
        proof=public_key.key.secrets.get().proof,
        pepper_version=1,
        mask="x",
        retired_at=timezone.now(),
    )
    assert verify(stranger.plaintext.reveal(), now=timezone.now()) == Denial(Reason.INVALID_KEY)
    assert accepted(public_key)


def test_old_secrets_verify_under_a_new_newest_pepper_which_mints_from_then_on(
    public_key: Issued, issue_public_key: IssueKey, settings: Settings
) -> None:
    new = parse_peppers(
        "7:" + base64.urlsafe_b64encode(b"brand new pepper of 32 bytes ok!").decode()
    )
    settings.KEYWAY_PEPPERS = (*new, *settings.KEYWAY_PEPPERS)
    assert accepted(public_key)
    minted = issue_public_key(name="after rotation")
    assert accepted(minted)
    assert minted.key.secrets.get().pepper_version == 7
    assert public_key.key.secrets.get().pepper_version == 1
    settings.KEYWAY_PEPPERS = new
    assert outcome(public_key) == Denial(Reason.INVALID_KEY)
    assert accepted(minted)


def test_a_full_pool_is_our_fault_not_the_keys(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accepted(public_key)

    def full(*_: str) -> bool:
        raise hashing.PoolFull()

    monkeypatch.setattr(hashing, "holds", full)
    assert outcome(public_key) == Denial(Reason.UNAVAILABLE)


def test_authorize_names_what_is_missing(public_key: Issued, globex: Organization) -> None:
    credential = outcome(public_key)
    assert isinstance(credential, Credential)
    assert (
        authorize(credential, kind=Kind.PUBLIC, scope="read:audit-activity", organization="acme")
        is None
    )
    assert authorize(credential, organization=globex.public_id) == Denial(Reason.WRONG_ORGANIZATION)
    wrong_kind = authorize(credential, kind=Kind.AGENT)
    assert wrong_kind
    assert wrong_kind.reason is Reason.WRONG_KEY_TYPE
    missing = authorize(credential, scope="write:agent-events")
    assert missing
    assert missing.reason is Reason.INSUFFICIENT_SCOPE
    assert "write:agent-events" in missing.detail


def test_peppers_are_named_by_version_only() -> None:
    assert "p" * 8 not in repr(Pepper(1, b"p" * 32))
