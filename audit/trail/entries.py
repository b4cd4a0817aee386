"""Write and verify the trail. `record` is the only writer.

Entries form one chain per organization. The hash of an entry is SHA-256 over 0x02, the hash of the
previous entry and the exact bytes stored in `body` (domain separation as in RFC 6962, 2.1). `body`
is a text column because jsonb would reformat the JSON, and the hash would no longer match.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, models, transaction
from django.utils import timezone

from audit.trail.actions import Action
from audit.trail.actor import Actor, Target
from audit.trail.models import TrailEntry, TrailHead
from config.lib.errors import TrailUnavailable

PLATFORM = uuid.UUID(int=0)
GENESIS = "0" * 64


def chain_hash(previous: str, body: str) -> str:
    return hashlib.sha256(b"\x02" + bytes.fromhex(previous) + body.encode()).hexdigest()


def record(
    action: Action,
    *,
    organization: uuid.UUID = PLATFORM,
    by: Actor,
    target: Target,
    data: Mapping[str, Any] | None = None,
) -> TrailEntry:
    """Add one entry inside the caller's transaction: the change and its entry commit together.

    Raises TrailUnavailable if the entry cannot be written, lock and statement timeouts included.
    """
    # Outside a transaction the change would already be committed, and a failure here would leave
    # it without an entry.
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("record() must run in the transaction of the change it records")
    try:
        return _append(action, organization, by, target, data or {})
    except DatabaseError as error:
        raise TrailUnavailable(str(error)) from error


def _append(
    action: Action, organization: uuid.UUID, by: Actor, target: Target, data: Mapping[str, Any]
) -> TrailEntry:
    # The head row is the lock. Writers of one organization wait here for each other and keep the
    # lock until they commit, so each reads the hash of the last committed entry, and a rollback
    # leaves no gap. Create the row first: there is nothing to lock before the first entry.
    TrailHead.objects.bulk_create(
        [TrailHead(organization_id=organization, hash=GENESIS)], ignore_conflicts=True
    )
    head = TrailHead.objects.select_for_update().get(pk=organization)
    entry = TrailEntry(
        organization_id=organization, sequence=head.sequence + 1, previous_hash=head.hash,
        occurred_at=timezone.now(), action=action.value,
        actor_kind=by.kind, actor_id=by.id, actor_name=by.name,
        target_kind=target.kind, target_id=target.id, target_name=target.name,
    )  # fmt: skip
    # After every column is set: the body repeats them, and the hash covers exactly this text.
    # Nothing may re-encode it between here and the database.
    entry.body = canonical(_columns(entry) | {"address": by.address, "data": data})
    entry.hash = chain_hash(entry.previous_hash, entry.body)
    entry.save(force_insert=True)  # never an UPDATE, not even for an id that exists
    # A trigger lets the head advance by exactly one, so a second writer that somehow got past the
    # lock would fail here instead of forking the chain.
    TrailHead.objects.filter(pk=organization).update(sequence=entry.sequence, hash=entry.hash)
    return entry


def canonical(fields: Mapping[str, Any]) -> str:
    """Encode a JSON object canonically: sorted keys, no spaces, UTF-8.

    Matches RFC 8785 for the types used here.
    """
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _columns(entry: TrailEntry) -> dict[str, Any]:
    """Return the column values that the body must repeat.

    Filters read the columns and the hash covers the body, so verify() compares the two.
    """
    return {
        "id": str(entry.id),
        "organization": str(entry.organization_id),
        "sequence": entry.sequence,
        "occurred_at": entry.occurred_at.isoformat(),
        "action": entry.action,
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "name": entry.actor_name},
        "target": {"kind": entry.target_kind, "id": entry.target_id, "name": entry.target_name},
    }


@dataclass(frozen=True, slots=True)
class ChainFlaw:
    """A break in a chain. `sequence` is that of the bad entry, or of the first missing one."""

    organization: uuid.UUID
    sequence: int
    reason: str


def verify(organizations: Iterable[uuid.UUID] | None = None) -> Iterator[ChainFlaw]:
    """Recompute every chain and yield every flaw.

    Does not detect entries removed from the end if the head row was rolled back with them.
    """
    heads = {head.organization_id: head for head in TrailHead.objects.all()}
    chains = set(TrailEntry.objects.values_list("organization_id", flat=True).distinct())
    for organization in sorted(
        organizations if organizations is not None else chains | heads.keys()
    ):
        yield from _verify_chain(organization, heads.get(organization))


def _verify_chain(organization: uuid.UUID, head: TrailHead | None) -> Iterator[ChainFlaw]:
    expected, previous = 1, GENESIS
    entries = TrailEntry.objects.filter(organization_id=organization).order_by("sequence", "id")
    for entry in entries.iterator(chunk_size=2000):
        if entry.sequence != expected:
            yield ChainFlaw(
                organization,
                min(expected, entry.sequence),
                f"expected sequence {expected}, found {entry.sequence}",
            )
        elif reason := _entry_flaw(entry, previous):
            yield ChainFlaw(organization, entry.sequence, reason)
        # Continue from what is stored, not from what was expected: one bad entry is one flaw, and
        # the entries after it are still checked.
        expected, previous = entry.sequence + 1, entry.hash
    if head is None:
        yield ChainFlaw(organization, expected - 1, "the chain has no head")
    elif (head.sequence, head.hash) != (expected - 1, previous):
        yield ChainFlaw(
            organization,
            min(head.sequence + 1, expected),
            f"the head says {head.sequence} entries, found {expected - 1}",
        )


def _entry_flaw(entry: TrailEntry, previous: str) -> str | None:
    if entry.previous_hash != previous:
        return "does not follow the entry before it"
    try:
        if chain_hash(previous, entry.body) != entry.hash:
            return "its hash is not that of its body"
        body = json.loads(entry.body)
    except ValueError:
        return "its body or a hash cannot be read"
    if {name: body.get(name) for name in _columns(entry)} != _columns(entry):
        return "its columns differ from its body"
    return None


def entries_of(
    organization: uuid.UUID,
    *,
    action: str = "",
    actor: str = "",
    target: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> models.QuerySet[TrailEntry]:
    """Query the audit log, newest first. Shared by the page and its exports."""
    rows = TrailEntry.objects.filter(organization_id=organization).order_by("-sequence")
    if action:
        rows = rows.filter(action=action)
    if actor:
        rows = rows.filter(models.Q(actor_id=actor) | models.Q(actor_name__icontains=actor))
    if target:
        rows = rows.filter(models.Q(target_id=target) | models.Q(target_name__icontains=target))
    if since:
        rows = rows.filter(occurred_at__gte=since)
    if until:
        rows = rows.filter(occurred_at__lt=until)
    return rows
