"""Keyway's own audit log: who changed what. Append-only, with a hash chain per organization.

`record` adds an entry, `verify` recomputes the chains and yields each `ChainFlaw`, and `entries_of`
queries the log. `canonical` and `chain_hash` define the format; `GENESIS` starts every chain and
`PLATFORM` names the chain of the installation itself.
"""

from audit.trail.entries import (
    GENESIS,
    PLATFORM,
    ChainFlaw,
    canonical,
    chain_hash,
    entries_of,
    record,
    verify,
)

__all__ = [
    "GENESIS",
    "PLATFORM",
    "ChainFlaw",
    "canonical",
    "chain_hash",
    "entries_of",
    "record",
    "verify",
]
