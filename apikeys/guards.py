"""Rules of a key that the database keeps, whoever writes to it."""

from config.lib.triggers import Guard

_FIXED = ("kind", "environment", "organization_id", "owner_id", "created_at")

GUARDS = (
    Guard("key_is_never_deleted", "apikeys_key", "DELETE"),
    Guard("secret_is_never_deleted", "apikeys_secret", "DELETE"),
    Guard(
        "revocation_is_final",
        "apikeys_key",
        "UPDATE",
        when="OLD.revoked_at IS NOT NULL AND (NEW.revoked_at IS NULL OR NEW.revoked_at <> OLD.revoked_at)",
    ),
    Guard(
        "what_a_key_is_never_changes",
        "apikeys_key",
        "UPDATE",
        when=" OR ".join(
            f"NEW.{column} <> OLD.{column} OR (NEW.{column} IS NULL) <> (OLD.{column} IS NULL)"
            for column in _FIXED
        ),
    ),
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
        when="NEW.key_id <> OLD.key_id OR NEW.lookup <> OLD.lookup OR NEW.created_at <> OLD.created_at",
    ),
    # A retirement can be brought forward, never put off.
    Guard(
        "retired_secret_never_comes_back",
        "apikeys_secret",
        "UPDATE",
        when="OLD.retired_at IS NOT NULL AND (NEW.retired_at IS NULL OR NEW.retired_at > OLD.retired_at)",
    ),
    # With the guard above: two are usable when the newest is made, and from then on they only become fewer.
    Guard(
        "key_has_at_most_two_usable_secrets",
        "apikeys_secret",
        "INSERT",
        when="(SELECT COUNT(*) FROM apikeys_secret s WHERE s.key_id = NEW.key_id "
        "AND (s.retired_at IS NULL OR s.retired_at > NEW.created_at)) > 1",
    ),
)
