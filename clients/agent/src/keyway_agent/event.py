"""Build the event that Keyway stores: its fields, their limits, and a deterministic id."""

import hashlib
import ipaddress
import json
import uuid
from datetime import UTC, datetime, timedelta

from keyway_agent.draft import Draft
from keyway_agent.log_time import rfc3339

Event = dict[str, str | bool]

NAME_LIMIT = 256
SHORT_LIMIT = 64
TEXT_LIMIT = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Limits for each note, tried in turn until the notes fit together.
_NOTE_LIMITS = (16_000, 4_000, 500)
LOCAL = "local machine"  # SQL Server's term for a client without an address


def build(draft: Draft, *, host: str, instance: str) -> Event:
    """Turn a draft into an event. Over-long values are cut; `additional_information` notes it."""
    record = draft.record
    notes, text = draft.notes, draft.text
    if record.cut:
        notes = notes | {"cut": True}
    elif len(text) > TEXT_LIMIT:
        notes = notes | {"cut": True, "characters_logged": len(draft.statement)}
    client_ip, host_name = _client(record.peer)
    return {
        "event_id": str(
            event_id(
                record.logged_at,
                host,
                instance,
                record.session,
                record.session_line,
                record.message,
            )
        ),
        "event_time": rfc3339(record.logged_at),
        "host": host,
        "action_id": draft.action.id,
        "action_name": draft.action.name,
        "succeeded": draft.succeeded,
        "server_principal_name": record.user[:NAME_LIMIT],
        "database_principal_name": record.user[:NAME_LIMIT],
        "server_instance_name": instance,
        "database_name": (draft.name.database or record.database)[:NAME_LIMIT],
        "schema_name": draft.name.schema[:NAME_LIMIT],
        "object_name": draft.name.object[:NAME_LIMIT],
        "statement": text[:TEXT_LIMIT],
        "client_ip": client_ip,
        "application_name": record.application[:NAME_LIMIT],
        "host_name": host_name,
        "session_id": record.session[:SHORT_LIMIT],
        "additional_information": _notes(notes),
    }


def event_id(happened_at: datetime, *parts: str) -> uuid.UUID:
    """Return a UUIDv8 (RFC 9562): the milliseconds, then SHA-256 over the time and `parts`.

    The leading milliseconds make ids sort by time. The same record always gives the same id, so
    the server stores it once however often it is sent.
    """
    milliseconds = (happened_at - _EPOCH) // timedelta(milliseconds=1)
    digest = hashlib.sha256()
    for part in (str(milliseconds), *parts):
        encoded = part.encode("utf-8", "surrogatepass")
        # The length prefix keeps ("ab", "c") and ("a", "bc") apart: with a plain concatenation
        # two different records could share an id, and the server would not store the second.
        digest.update(len(encoded).to_bytes(8) + encoded)
    rest = int.from_bytes(digest.digest()[:10]) & ~(0xF << 76) & ~(0b11 << 62)
    return uuid.UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 8 << 76 | 0b10 << 62 | rest)


def _client(peer: str) -> tuple[str, str]:
    """Return the client's address and host name.

    PostgreSQL logs ``host:port``, or ``[local]`` for a Unix socket.
    """
    if peer in {"", "[local]"}:
        return (LOCAL if peer else "", "")
    host = peer.rpartition(":")[0] or peer
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "", host[:NAME_LIMIT]
    return host[:SHORT_LIMIT], ""


def _notes(notes: dict[str, object]) -> str:
    """Serialize the notes. The result is always valid JSON: values are cut, never the text."""
    text = json.dumps(notes, ensure_ascii=False) if notes else ""
    for limit in _NOTE_LIMITS:
        if len(text) <= TEXT_LIMIT:
            break
        text = json.dumps(
            {name: _cut(value, limit) for name, value in notes.items()}, ensure_ascii=False
        )
    return text


def _cut(value: object, limit: int) -> object:
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]}… ({len(value)} characters)"
    return value
