"""Lines to drain, and the counts they became."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apikeys.models import UseCount
from apikeys.usage.models import EPOCH
from apikeys.usage.spool.lines import UseLine

KEY, OTHER_KEY, SECRET, ORGANIZATION = (uuid.UUID(int=number) for number in range(1, 5))
NOON = datetime(2025, 11, 21, 12, 30, tzinfo=UTC)
Write = Callable[..., None]


def use(
    at: datetime = NOON,
    *,
    key: uuid.UUID = KEY,
    status: int = 200,
    denial: str = "",
    route: str = "/x",
) -> UseLine:
    microseconds = (at - EPOCH) // timedelta(microseconds=1)
    return UseLine(
        microseconds,
        key.hex,
        SECRET.hex,
        ORGANIZATION.hex,
        "GET",
        route,
        status,
        denial,
        "127.0.0.1",
        "tests",
        1500,
    )


def counts(**facts: object) -> dict[str, int]:
    rows = UseCount.objects.filter(key_id=KEY, **facts).order_by("outcome")
    return {row.outcome: row.requests for row in rows}
