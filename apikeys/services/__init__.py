"""Changes to keys. Each is one function that is atomic and recorded in the trail. None knows HTTP.

All follow one order: check and hash before the transaction where that needs no lock; inside it
lock, check again, write, record; wait for leases after it. The comments say what breaks otherwise.
"""

from apikeys.services.approve import approve, collect, find_requested, refuse, request_key
from apikeys.services.edit import Changes, edit
from apikeys.services.end import pause, resume, revoke
from apikeys.services.issue import (
    Issued,
    Order,
    find_issued,
    issue_agent_key,
    issue_organization_key,
    issue_public_key,
)
from apikeys.services.rotate import LONGEST_GRACE, Rotated, rotate
from apikeys.services.rules import change_rules
from tenants.changes.leases import Receipt

__all__ = [
    "LONGEST_GRACE",
    "Changes",
    "Issued",
    "Order",
    "Receipt",
    "Rotated",
    "approve",
    "change_rules",
    "collect",
    "edit",
    "find_issued",
    "find_requested",
    "issue_agent_key",
    "issue_organization_key",
    "issue_public_key",
    "pause",
    "refuse",
    "request_key",
    "resume",
    "revoke",
    "rotate",
]
