"""The keys of a list as CSV."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse

from apikeys.models import Key, KeyQuerySet
from config.lib.export import csv_lines

CHUNK = 5000
EXPORTED = (
    "id", "name", "key", "description", "held_by", "status", "kind", "environment", "owner",
    "owner_email", "scopes", "networks", "created_at", "expires_at", "last_used_at",
    "last_used_ip", "paused_at", "revoked_at", "revoke_reason",
)  # fmt: skip


def export_keys(keys: KeyQuerySet, at: datetime, *, name: str) -> StreamingHttpResponse:
    """Stream these keys as CSV, newest first."""
    rows = (_row(key, at) for key in _in_chunks(keys))
    response = StreamingHttpResponse(
        csv_lines(rows, EXPORTED), content_type="text/csv; charset=utf-8"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _in_chunks(keys: KeyQuerySet) -> Iterator[Key]:
    """Yield keys from one statement per chunk.

    A slow client then holds no cursor open, and no statement runs into its time limit.
    """
    newest_first = (
        keys.order_by("-pk")
        .select_related("organization", "owner__user")
        .prefetch_related("secrets")
    )
    chunk = list(newest_first[:CHUNK])
    while chunk:
        yield from chunk
        chunk = list(newest_first.filter(pk__lt=chunk[-1].pk)[:CHUNK])


def _row(key: Key, at: datetime) -> Mapping[str, Any]:
    return {
        "id": key.public_id,
        "name": key.name,
        "key": key.mask,
        "description": key.description,
        "held_by": key.held_by,
        "status": key.status(at).label,
        "kind": key.kind,
        "environment": key.environment,
        "owner": key.owner_name,
        "owner_email": key.owner.user.email if key.owner else "",
        "scopes": " ".join(sorted(key.granted_scopes)),
        "networks": " ".join(key.allowed_cidrs),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "last_used_ip": key.last_used_ip,
        "paused_at": key.paused_at,
        "revoked_at": key.revoked_at,
        "revoke_reason": key.revoke_reason,
    }
