"""Changes to keys. Each is one function that is atomic and recorded in the trail. None knows HTTP.

All follow one order: check and hash before the transaction where that needs no lock; inside it
lock, check again, write, record; wait for leases after it. The comments say what breaks otherwise.
"""

from apikeys.services.approve import approve, collect, find_requested, refuse, request_key
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
from apikeys.services.rules import change_rules
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
    "approve",
    "change_rules",
    "collect",
    "edit",
    "end_secret",
    "find_issued",
    "find_requested",
    "issue_agent_key",
    "issue_organization_key",
    "issue_public_key",
    "pause",
    "pause_each",
    "refuse",
    "request_key",
    "resume",
    "revoke",
    "revoke_each",
    "rotate",
]
