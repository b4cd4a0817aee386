"""Changes to keys. Each is one function that is atomic and recorded in the trail. None knows HTTP.

All follow one order: check and hash before the transaction where that needs no lock; inside it
lock, check again, write, record; wait for leases after it. The comments say what breaks otherwise.
"""

from apikeys.services.edit import Changes, edit
from apikeys.services.end import KeyOutcome, pause, pause_each, resume, revoke, revoke_each
from apikeys.services.end_secret import end_secret
from apikeys.services.issue import (
    Issued,
    Order,
    find_issued,
    issue_agent_key,
    issue_organization_key,
    issue_public_key,
)
from apikeys.services.rotate import LONGEST_GRACE, NO_OVERLAP, Overlap, Rotated, rotate
from tenants.changes.leases import Receipt

__all__ = [
    "LONGEST_GRACE",
    "NO_OVERLAP",
    "Changes",
    "Issued",
    "KeyOutcome",
    "Order",
    "Overlap",
    "Receipt",
    "Rotated",
    "edit",
    "end_secret",
    "find_issued",
    "issue_agent_key",
    "issue_organization_key",
    "issue_public_key",
    "pause",
    "pause_each",
    "resume",
    "revoke",
    "revoke_each",
    "rotate",
]
