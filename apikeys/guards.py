"""Rules about keys that database triggers enforce, so that no code and no manual SQL breaks them.

The rest of Keyway relies on them. Entries of the trail and rows of usage name a key by an id that
must always mean the same key, and a revocation that was acknowledged must never be undone.
"""

from config.lib.triggers import Guard

_FIXED = ("kind", "environment", "organization_id", "owner_id", "created_at")

GUARDS = (
    # A deleted key would leave its usage and its trail without a subject.
    Guard("key_is_never_deleted", "apikeys_key", "DELETE"),
    # A deleted secret would be answered as unknown; a retired one is recognized and named in the
    # denial.
    Guard("secret_is_never_deleted", "apikeys_secret", "DELETE"),
    # Both halves matter: clearing the time revives the key, moving it rewrites when it ended.
    Guard(
        "revocation_is_final",
        "apikeys_key",
        "UPDATE",
        when="OLD.revoked_at IS NOT NULL "
        "AND (NEW.revoked_at IS NULL OR NEW.revoked_at <> OLD.revoked_at)",
    ),
    # `<>` is NULL when either side is, so a column that becomes NULL or stops being NULL is
    # compared separately.
    Guard(
        "what_a_key_is_never_changes",
        "apikeys_key",
        "UPDATE",
        when=" OR ".join(
            f"NEW.{column} <> OLD.{column} OR (NEW.{column} IS NULL) <> (OLD.{column} IS NULL)"
            for column in _FIXED
        ),
    ),
    # An end was promised when the key was issued, and the rules of issuing were checked against it.
    # It can be brought nearer, and a key without an end can be given one.
    Guard(
        "end_of_a_key_is_never_moved_out",
        "apikeys_key",
        "UPDATE",
        when="OLD.expires_at IS NOT NULL "
        "AND (NEW.expires_at IS NULL OR NEW.expires_at > OLD.expires_at)",
    ),
    # Foreign keys check that the owner exists, not that it is a membership of the same
    # organization.
    Guard(
        "owner_belongs_to_the_organization_of_the_key",
        "apikeys_key",
        "INSERT",
        when="NEW.owner_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tenants_membership m "
        "WHERE m.id = NEW.owner_id AND m.organization_id = NEW.organization_id)",
    ),
    Guard(
        "secret_stays_with_its_key",
        "apikeys_secret",
        "UPDATE",
        when="NEW.key_id <> OLD.key_id OR NEW.lookup <> OLD.lookup "
        "OR NEW.created_at <> OLD.created_at",
    ),
    # Only the first use of a pending secret activates it. A second activation would set the old
    # secret's end again, and one that has lapsed must not work once more.
    Guard(
        "pending_secret_is_activated_once",
        "apikeys_secret",
        "UPDATE",
        when="(OLD.activated_at IS NOT NULL "
        "AND (NEW.activated_at IS NULL OR NEW.activated_at <> OLD.activated_at)) "
        "OR (OLD.activated_at IS NULL AND NEW.activated_at IS NOT NULL "
        "AND OLD.retired_at IS NOT NULL) "
        "OR NEW.lapses_at <> OLD.lapses_at "
        "OR (NEW.lapses_at IS NULL) <> (OLD.lapses_at IS NULL)",
    ),
    # Bringing a retirement forward is allowed, postponing it is not: a rotation promised when the
    # old secret ends.
    Guard(
        "retired_secret_never_comes_back",
        "apikeys_secret",
        "UPDATE",
        when="OLD.retired_at IS NOT NULL "
        "AND (NEW.retired_at IS NULL OR NEW.retired_at > OLD.retired_at)",
    ),
    # Pending secrets count, since verification accepts them. Checking at INSERT is enough: the
    # guards above let the number of usable secrets only fall later.
    Guard(
        "key_has_at_most_two_usable_secrets",
        "apikeys_secret",
        "INSERT",
        when="(SELECT COUNT(*) FROM apikeys_secret s WHERE s.key_id = NEW.key_id "
        "AND (s.retired_at IS NULL OR s.retired_at > NEW.created_at)) > 1",
    ),
)

_ASKED = (
    *("organization_id", "requester_id", "owner_id", "sent_with", "name", "description", "held_by"),
    *("scopes", "allowed_cidrs", "expires_at", "created_at"),
)
_ANSWER = ("approved_at", "refused_at", "answered_by_id", "reason", "lapses_at")
_OUTCOME = ("collected_at", "lapsed_at", "key_id")


def _differs(*columns: str) -> str:
    """Return the condition that one of the columns changes, NULL included."""
    changes = (
        f"NEW.{column} <> OLD.{column} OR (NEW.{column} IS NULL) <> (OLD.{column} IS NULL)"
        for column in columns
    )
    return f"({' OR '.join(changes)})"


# Kept apart from GUARDS, because the migrations that install those run before this table exists.
REQUEST_GUARDS = (
    Guard("key_request_is_never_deleted", "apikeys_keyrequest", "DELETE"),
    # An approver must have seen exactly what is collected.
    Guard(
        "what_was_requested_never_changes",
        "apikeys_keyrequest",
        "UPDATE",
        when=_differs(*_ASKED),
    ),
    Guard(
        "answered_request_never_changes",
        "apikeys_keyrequest",
        "UPDATE",
        when=f"(OLD.approved_at IS NOT NULL OR OLD.refused_at IS NOT NULL) "
        f"AND {_differs(*_ANSWER)}",
    ),
    Guard(
        "key_request_ends_once",
        "apikeys_keyrequest",
        "UPDATE",
        when=f"(OLD.collected_at IS NOT NULL OR OLD.lapsed_at IS NOT NULL) "
        f"AND {_differs(*_ANSWER, *_OUTCOME)}",
    ),
    Guard(
        "requested_key_belongs_to_its_requester",
        "apikeys_keyrequest",
        "INSERT",
        when="NEW.owner_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tenants_membership m "
        "WHERE m.id = NEW.owner_id AND m.organization_id = NEW.organization_id "
        "AND m.user_id = NEW.requester_id)",
    ),
)
