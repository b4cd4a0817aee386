"""`GET /api/v1/public/audit-activity`."""

from datetime import datetime

from keyway.calls.listing import listing
from keyway.events import StoredEvent
from keyway.wire import Listing

_PATH = "/api/v1/public/audit-activity"


def list_activity(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    actor: str | None = None,
    action: str | None = None,
    database: str | None = None,
    object: str | None = None,  # noqa: A002  the API's name for it
    success: bool | None = None,
    client_ip: str | None = None,
    q: str | None = None,
    limit: int | None = None,
) -> Listing[StoredEvent]:
    """Iterate over events, newest first, fetching pages of `limit` (at most 1,000).

    `since` is inclusive, `until` exclusive. `q` searches the text fields; the other filters match
    exactly.
    """
    return listing(
        _PATH,
        StoredEvent,
        since=since,
        until=until,
        actor=actor,
        action=action,
        database=database,
        object=object,
        success=success,
        client_ip=client_ip,
        q=q,
        limit=limit,
    )
