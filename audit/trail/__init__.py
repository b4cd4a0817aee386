"""Keyway's own audit log: who changed what, append-only and chained per organization.

`record` adds an entry, `verify` recomputes the chains, `entries_of` answers the audit log.
"""

from audit.trail.entries import (
    GENESIS,
    PLATFORM,
    Flaw,
    canonical,
    chain_hash,
    entries_of,
    record,
    verify,
)

__all__ = [
    "GENESIS",
    "PLATFORM",
    "Flaw",
    "canonical",
    "chain_hash",
    "entries_of",
    "record",
    "verify",
]
