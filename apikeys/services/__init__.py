"""Changes to keys: one function a change, atomic, trailed. Nothing here knows HTTP."""

from apikeys.services.edit import Changes, edit
from apikeys.services.end import pause, resume, revoke
from apikeys.services.issue import Issued, Order, find_issued, issue_agent_key, issue_public_key
from apikeys.services.rotate import LONGEST_GRACE, Rotated, rotate
from tenants.changes.leases import Receipt

__all__ = [
    "LONGEST_GRACE",
    "Changes",
    "Issued",
    "Order",
    "Receipt",
    "Rotated",
    "edit",
    "find_issued",
    "issue_agent_key",
    "issue_public_key",
    "pause",
    "resume",
    "revoke",
    "rotate",
]
