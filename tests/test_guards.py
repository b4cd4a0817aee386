"""Every guard is installed and refuses.

A migration that rebuilds a table and drops them fails here.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apikeys import guards as key_guards
from apikeys import services as keys
from apikeys.models import Key, Secret
from apikeys.services import Issued
from audit.trail import guards as trail_guards
from tenants.models import Membership, Organization, User
from tests.conftest import SYSTEM, membership_of

pytestmark = pytest.mark.django_db

ALL = (*trail_guards.GUARDS, *key_guards.GUARDS, *key_guards.REQUEST_GUARDS)
INSTALLED = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


def test_every_guard_is_installed() -> None:
    with connection.cursor() as cursor:
        cursor.execute(INSTALLED[connection.vendor])
        installed = {row[0] for row in cursor.fetchall()}
    assert {guard.name for guard in ALL} <= installed


@pytest.mark.skipif("connection.vendor != 'postgresql'")
@pytest.mark.parametrize(
    "table",
    [
        "audit_trailentry",
        "audit_trailhead",
        "apikeys_key",
        "apikeys_secret",
        "apikeys_keyrequest",
    ],
)
def test_truncate_is_refused(table: str) -> None:
    with (
        pytest.raises(IntegrityError, match="never_deleted"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"TRUNCATE {table} CASCADE")


def test_keys_and_secrets_are_never_deleted(public_key: Issued) -> None:
    for rows in (Secret.objects.all(), Key.objects.filter(pk=public_key.key.pk)):
        with pytest.raises(IntegrityError, match="never_deleted"), transaction.atomic():
            rows._raw_delete(rows.db)
    assert Key.objects.filter(pk=public_key.key.pk).exists()


def test_revocation_cannot_be_undone_or_moved(public_key: Issued, agent_key: Issued) -> None:
    keys.revoke(key=public_key.key, by=SYSTEM)
    row = Key.objects.filter(pk=public_key.key.pk)
    for revoked_at in (None, timezone.now() + timedelta(days=1)):
        with pytest.raises(IntegrityError, match="revocation_is_final"), transaction.atomic():
            row.update(revoked_at=revoked_at)
    row.update(last_used_at=timezone.now())
    Key.objects.filter(pk=agent_key.key.pk).update(description="not revoked, so editable")


def test_end_of_a_key_never_moves_out(public_key: Issued) -> None:
    row, end = Key.objects.filter(pk=public_key.key.pk), timezone.now() + timedelta(days=30)
    row.update(expires_at=end)
    for later in (None, end + timedelta(microseconds=1)):
        with pytest.raises(IntegrityError, match="never_moved_out"), transaction.atomic():
            row.update(expires_at=later)
    row.update(expires_at=end, name="Renamed")
    row.update(expires_at=end - timedelta(days=29))


@pytest.mark.parametrize("column", ["kind", "environment", "organization", "owner"])
def test_identity_of_a_key_never_changes(
    column: str, public_key: Issued, alice: User, globex: Organization
) -> None:
    other = {
        "kind": "agent",
        "environment": "test",
        "organization": globex,
        "owner": membership_of(alice),
    }
    with pytest.raises(IntegrityError), transaction.atomic():
        Key.objects.filter(pk=public_key.key.pk).update(**{column: other[column]})


def test_owner_of_another_organization_is_refused(acme: Organization, mallory: User) -> None:
    with pytest.raises(IntegrityError, match="owner_belongs_to"), transaction.atomic():
        Key.objects.create(
            organization=acme,
            kind="public",
            owner=membership_of(mallory),
            name="x",
            scopes=["read:audit-activity"],
        )


BAD_ROWS: dict[str, dict[str, Any]] = {
    "key_kind_is_known": {"kind": "root"},
    "key_environment_is_known": {"environment": "prod"},
    "key_has_a_name": {"name": ""},
    "agent_key_has_no_owner": {"kind": "agent"},
    "public_key_has_scopes": {"scopes": []},
    "key_expires_after_issue": {"expires_at": timezone.now() - timedelta(days=1)},
}


@pytest.mark.parametrize("rule", BAD_ROWS)
def test_database_enforces_the_rules_of_a_key(rule: str, acme: Organization, bob: User) -> None:
    good: dict[str, Any] = {
        "organization": acme,
        "kind": "public",
        "owner": membership_of(bob),
        "name": "x",
        "scopes": ["read:audit-activity"],
    }
    Key.objects.create(**good)
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        Key.objects.create(**good | BAD_ROWS[rule])


def test_key_has_one_live_secret(public_key: Issued) -> None:
    live = public_key.key.secrets.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Secret.objects.create(key=live.key, lookup=1, proof=live.proof, pepper_version=1, mask="x")
    Secret.objects.create(
        key=live.key,
        lookup=1,
        proof=live.proof,
        pepper_version=1,
        mask="x",
        retired_at=timezone.now(),
    )


def test_proof_must_be_argon2id(public_key: Issued) -> None:
    with pytest.raises(IntegrityError, match="proof_is_argon2id"), transaction.atomic():
        public_key.key.secrets.update(proof="plaintext")


def test_user_has_one_present_membership(bob: User, acme: Organization) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(organization=acme, user=bob, role="admin")


def test_email_is_unique_in_any_case(bob: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="BOB@acme.example")
