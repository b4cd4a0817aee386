"""Verification. Each refusal starts from a key that was just accepted, and asserts the reason."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys import networks
from apikeys import services as keys
from apikeys.kind import Kind
from apikeys.models import Key, Secret
from apikeys.services import Issued
from apikeys.verify import hashing, judge, secret, secret_rows
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, authorize, verify
from config.lib.peppers import Pepper, parse_peppers
from tenants import services as tenants
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tests.conftest import SYSTEM, IssueKey, membership_of

pytestmark = pytest.mark.django_db


def outcome(issued: Issued, now: datetime | None = None) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=now or timezone.now())


def owner_of(issued: Issued) -> Membership:
    assert issued.key.owner
    return issued.key.owner


def accepted(issued: Issued) -> bool:
    return isinstance(outcome(issued), Credential)


def test_verify_returns_the_credential_of_a_key(public_key: Issued, bob: User) -> None:
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
        lambda issued: tenants.deactivate_member(membership=owner_of(issued), by=SYSTEM),
    ),
    (
        Reason.OWNER_INACTIVE,
        lambda issued: tenants.remove_member(membership=owner_of(issued), by=SYSTEM),
    ),
    (
        Reason.OWNER_INACTIVE,
        lambda issued: tenants.deactivate_user(user=owner_of(issued).user, by=SYSTEM),
    ),
    (
        Reason.ORGANIZATION_SUSPENDED,
        lambda issued: tenants.suspend_organization(
            organization=issued.key.organization, by=SYSTEM
        ),
    ),
]


@pytest.mark.parametrize(("reason", "change"), CHANGES)
def test_change_denies_the_next_presentation(
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


def test_other_keys_survive_a_revocation(
    public_key: Issued, agent_key: Issued, issue_public_key: IssueKey, alice: User
) -> None:
    other = issue_public_key(name="Bob's other key")
    colleague = issue_public_key(owner=alice, name="Alice's key")
    keys.revoke(key=public_key.key, by=SYSTEM)
    assert accepted(other)
    tenants.deactivate_member(membership=owner_of(public_key), by=SYSTEM)
    assert outcome(other) == Denial(Reason.OWNER_INACTIVE)
    assert accepted(colleague)
    assert accepted(agent_key)


def test_key_expires_to_the_microsecond(issue_public_key: IssueKey) -> None:
    expires_at = timezone.now() + timedelta(days=1)
    issued = issue_public_key(expires_at=expires_at)
    assert isinstance(outcome(issued, expires_at - timedelta(microseconds=1)), Credential)
    assert outcome(issued, expires_at) == Denial(Reason.EXPIRED_KEY)
    assert outcome(issued, expires_at + timedelta(seconds=1)) == Denial(Reason.EXPIRED_KEY)


def test_reactivation_revives_usable_keys_only(
    public_key: Issued, issue_public_key: IssueKey, alice: User
) -> None:
    revoked = issue_public_key(name="revoked before")
    keys.revoke(key=revoked.key, by=SYSTEM)
    membership = owner_of(public_key)
    tenants.deactivate_member(membership=membership, by=SYSTEM)
    tenants.reactivate_member(membership=membership, by=SYSTEM)
    assert accepted(public_key)
    assert outcome(revoked) == Denial(Reason.REVOKED_KEY)


def test_rejoining_revives_no_key(
    public_key: Issued, bob: User, acme: Organization, alice: User
) -> None:
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    tenants.add_member(organization=acme, user=bob, role=Role.MEMBER, by=SYSTEM)
    assert outcome(public_key) == Denial(Reason.OWNER_INACTIVE)


def test_resumed_key_works_again(public_key: Issued) -> None:
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


def test_forged_secret_costs_no_query_and_no_argon2(
    public_key: Issued,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hashing, "holds", lambda *_: pytest.fail("Argon2 ran"))
    with django_assert_num_queries(0):
        for forged in forgeries(public_key):
            assert verify(forged, now=timezone.now()) == Denial(Reason.INVALID_KEY), forged


def test_warm_verification_costs_one_query(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accepted(public_key)
    monkeypatch.setattr(PasswordHasher, "verify", lambda *_: pytest.fail("Argon2 ran"))
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


def test_unknown_tagged_secret_costs_no_argon2(
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stranger = secret.mint("sk", "live", settings.KEYWAY_PEPPERS[0])
    monkeypatch.setattr(hashing, "holds", lambda *_: pytest.fail("Argon2 ran"))
    with django_assert_num_queries(1):
        assert verify(stranger.plaintext.reveal(), now=timezone.now()) == Denial(Reason.INVALID_KEY)


def test_lookup_without_a_proof_is_invalid(public_key: Issued, settings: Settings) -> None:
    """Write access to lookups is not enough: it makes no Argon2 proof."""
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


def test_new_pepper_mints_and_old_ones_still_verify(
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


def test_full_pool_is_unavailable(public_key: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    assert accepted(public_key)

    def full(*_: str) -> bool:
        raise hashing.PoolFull()

    monkeypatch.setattr(hashing, "holds", full)
    assert outcome(public_key) == Denial(Reason.UNAVAILABLE)


def test_reasons_have_a_fixed_order(issue_public_key: IssueKey) -> None:
    """Everything is wrong at once, then one thing after another is put right."""
    now = timezone.now()
    issued = issue_public_key(allowed=networks.parse(["192.0.2.0/24"]))
    (row,) = secret_rows.read([issued.key.secrets.get().lookup]).values()
    wrong = replace(
        row,
        revoked_at=now,
        retired_at=now,
        expires_at=now,
        paused_at=now,
        owner_is_active=False,
        organization=replace(row.organization, suspended_at=now),
    )
    right: list[tuple[Reason, dict[str, Any]]] = [
        (Reason.REVOKED_KEY, {"revoked_at": None}),
        (Reason.ROTATED_KEY, {"retired_at": None}),
        (Reason.EXPIRED_KEY, {"expires_at": None}),
        (Reason.PAUSED_KEY, {"paused_at": None}),
        (Reason.OWNER_INACTIVE, {"owner_is_active": True}),
        (Reason.ORGANIZATION_SUSPENDED, {"organization": row.organization}),
        (Reason.IP_NOT_ALLOWED, {"allowed": ()}),
    ]
    for reason, change in right:
        assert judge._reason_to_deny(wrong, now, "198.51.100.1") is reason
        wrong = replace(wrong, **change)
    assert judge._reason_to_deny(wrong, now, "198.51.100.1") is None


def test_authorize_names_what_is_missing(public_key: Issued, globex: Organization) -> None:
    credential = outcome(public_key)
    assert isinstance(credential, Credential)
    assert (
        authorize(credential, kind=Kind.PUBLIC, scope="read:audit-activity", organization="acme")
        is None
    )
    elsewhere = authorize(credential, organization=globex.public_id)
    assert elsewhere
    assert elsewhere.reason is Reason.WRONG_ORGANIZATION
    wrong_kind = authorize(credential, kind=Kind.AGENT)
    assert wrong_kind
    assert wrong_kind.reason is Reason.WRONG_KEY_TYPE
    missing = authorize(credential, scope="write:agent-events")
    assert missing
    assert missing.reason is Reason.INSUFFICIENT_SCOPE
    assert "write:agent-events" in missing.detail


def test_pepper_repr_hides_its_key() -> None:
    assert "p" * 8 not in repr(Pepper(1, b"p" * 32))
