"""Database triggers that keep the trail append-only."""

from config.lib.triggers import Guard

GUARDS = (
    Guard("trail_entry_is_never_changed", "audit_trailentry", "UPDATE"),
    Guard("trail_entry_is_never_deleted", "audit_trailentry", "DELETE"),
    Guard(
        "trail_head_only_advances",
        "audit_trailhead",
        "UPDATE",
        when="NEW.sequence <> OLD.sequence + 1",
    ),
    Guard("trail_head_is_never_deleted", "audit_trailhead", "DELETE"),
)
