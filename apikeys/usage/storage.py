"""Store drained lines as rows, roll-ups and last uses, all in the caller's transaction."""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection

from apikeys.usage.endpoints import Endpoints
from apikeys.usage.models import EPOCH, Period
from apikeys.usage.spool.lines import UnprovenLine, UseLine
from config.lib.postgres_copy import copy_in

LAST_USED_ACCURACY = timedelta(minutes=1)
_MICROSECOND = timedelta(microseconds=1)
_HOUR, _DAY = 3600 * 10**6, 24 * 3600 * 10**6

_USE_COLUMNS = (
    "at", "key_id", "secret_id", "organization_id", "method", "route", "status", "denial",
    "address", "user_agent", "milliseconds",
)  # fmt: skip
# The columns that identify a counter, with their types on PostgreSQL.
_USE_COUNT = {
    "key_id": "uuid", "period": "text", "starts_at": "timestamptz", "method": "text",
    "route": "text", "outcome": "text", "secret_id": "uuid",
}  # fmt: skip
_UNPROVEN_COUNT = {"minute": "timestamptz", "network": "text", "reason": "text"}
_LAST_USE = {"id": "uuid", "at": "timestamptz", "ip": "inet", "agent": "text"}
# Locks the rows first, ordered by id. An UPDATE alone locks them in the order in which it finds
# them, and two drainers could deadlock.
_ADVANCE_TOGETHER = """
UPDATE apikeys_key
SET last_used_at = later.at, last_used_ip = later.ip, last_used_user_agent = later.agent
FROM (
    SELECT r.* FROM {records} JOIN apikeys_key k ON k.id = r.id
    WHERE k.last_used_at IS NULL OR k.last_used_at <= r.at - make_interval(secs => %s)
    ORDER BY r.id FOR UPDATE OF k
) AS later
WHERE apikeys_key.id = later.id
"""

RETIRED = "rotated_key"  # the reason of apikeys.verify.denials
_KEEP_LATEST = """
INSERT INTO apikeys_retireduse AS known (secret_id, key_id, at, address, user_agent)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (secret_id) DO UPDATE
SET at = excluded.at, address = excluded.address, user_agent = excluded.user_agent
WHERE known.at < excluded.at
"""

_Row = tuple[Any, ...]


def store(uses: Sequence[UseLine], unproven: Sequence[UnprovenLine], endpoints: Endpoints) -> None:
    """Store these lines. Not idempotent: the caller must pass each line exactly once."""
    _insert(uses)
    _add("apikeys_usecount", _USE_COUNT, _count(uses, endpoints))
    _add("apikeys_unprovencount", _UNPROVEN_COUNT, _count_unproven(unproven))
    _note_retired(uses)
    # Last, to hold these locks for the shortest time: pausing or revoking one of the keys waits for
    # them.
    _advance_last_used(uses)


def outcome(line: UseLine) -> str:
    if line.denial:
        return line.denial
    if line.status < 400:
        return "ok"
    return "client_error" if line.status < 500 else "server_error"


def moment(microseconds: int) -> datetime:
    return EPOCH + microseconds * _MICROSECOND


def _insert(uses: Sequence[UseLine]) -> None:
    if connection.vendor == "postgresql":
        copy_in("apikeys_use", _USE_COLUMNS, _rows(uses, datetime.isoformat))
        return
    columns, places = ", ".join(_USE_COLUMNS), ", ".join(["%s"] * len(_USE_COLUMNS))
    rows = list(_rows(uses, connection.ops.adapt_datetimefield_value))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO apikeys_use ({columns}) VALUES ({places})", rows)  # noqa: S608  constants


def _rows(uses: Sequence[UseLine], spell: Callable[[datetime], Any]) -> Iterator[tuple[str, ...]]:
    """Yield rows as text. Either database converts text to the type of the column."""
    for use in uses:
        yield (
            spell(moment(use.at)), use.key_id, use.secret_id, use.organization_id, use.method,
            use.route, str(use.status), use.denial, use.address, use.user_agent,
            str(use.took / 1000),
        )  # fmt: skip


def _count(uses: Sequence[UseLine], endpoints: Endpoints) -> Counter[_Row]:
    """Count by hour, then add up the hours by day and for all time."""
    endpoints.load({use.key_id for use in uses})
    hours = Counter(
        (
            use.key_id,
            use.at - use.at % _HOUR,
            *endpoints.bucket(use.key_id, use.method, use.route),
            outcome(use),
            use.secret_id,
        )
        for use in uses
    )
    counts: Counter[_Row] = Counter()
    for (key, hour, method, route, result, secret), requests in hours.items():
        for period, starts_at in (
            (Period.HOUR, hour),
            (Period.DAY, hour - hour % _DAY),
            (Period.EVER, 0),
        ):
            counts[key, period.value, moment(starts_at), method, route, result, secret] += requests
    return counts


def _count_unproven(lines: Sequence[UnprovenLine]) -> Counter[_Row]:
    counts: Counter[_Row] = Counter()
    for line in lines:
        counts[moment(line.minute * 60 * 10**6), line.network, line.reason] += line.requests
    return counts


def _add(table: str, key: Mapping[str, str], counts: Counter[_Row]) -> None:
    """Add to the counters of `table`, and create the missing ones."""
    if not counts:
        return
    columns = ", ".join(key)
    into = f"INSERT INTO {table} ({columns}, requests)"
    conflict = (
        f"ON CONFLICT ({columns}) DO UPDATE SET requests = {table}.requests + excluded.requests"
    )
    # Sorted, so that two drainers lock the same counters in the same order and never deadlock.
    rows = sorted((*place, requests) for place, requests in counts.items())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            records, packed = _pack({**key, "requests": "bigint"}, rows)
            statement = f"{into} SELECT {columns}, requests FROM {records} {conflict}"  # noqa: S608  constants
            cursor.execute(statement, [packed])
        else:
            places = ", ".join(["%s"] * (len(key) + 1))
            cursor.executemany(
                f"{into} VALUES ({places}) {conflict}", [_plain(row) for row in rows]
            )


def _advance_last_used(uses: Sequence[UseLine]) -> None:
    """Advance each key's last use, at most once a minute: a row updated every second would bloat.

    Never moves backwards. Denied requests do not count as a use.
    """
    latest: dict[str, UseLine] = {}
    for use in uses:
        if not use.denial and (use.key_id not in latest or use.at > latest[use.key_id].at):
            latest[use.key_id] = use
    rows = [
        (key, moment(use.at), _inet(use.address), use.user_agent)
        for key, use in sorted(latest.items())
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            records, packed = _pack(_LAST_USE, rows)
            cursor.execute(
                _ADVANCE_TOGETHER.format(records=records),
                [packed, LAST_USED_ACCURACY.total_seconds()],
            )
        else:
            cursor.executemany(
                "UPDATE apikeys_key"
                " SET last_used_at = %s, last_used_ip = %s, last_used_user_agent = %s"
                " WHERE id = %s AND (last_used_at IS NULL OR last_used_at <= %s)",
                [
                    _plain((at, ip, agent, key, at - LAST_USED_ACCURACY))
                    for key, at, ip, agent in rows
                ],
            )


def _note_retired(uses: Sequence[UseLine]) -> None:
    """Keep the latest request with each retired secret, for apikeys.services.alarms."""
    latest: dict[str, UseLine] = {}
    for use in sorted(uses, key=lambda use: use.at):
        if use.denial == RETIRED:
            latest[use.secret_id] = use
    with connection.cursor() as cursor:
        # Sorted, as above: two drainers lock the rows in the same order.
        for _, use in sorted(latest.items()):
            row = (use.secret_id, use.key_id, moment(use.at), use.address, use.user_agent)
            cursor.execute(_KEEP_LATEST, _plain(row) if connection.vendor == "sqlite" else row)


def _pack(columns: Mapping[str, str], rows: Sequence[_Row]) -> tuple[str, str]:
    """Return a FROM clause and the rows as its one JSON parameter.

    A placeholder for each value would cost more than storing the rows.
    """
    declared = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    packed = msgspec.json.encode([dict(zip(columns, row, strict=True)) for row in rows])
    return f"json_to_recordset(%s::json) AS r({declared})", packed.decode()


def _plain(row: _Row) -> list[Any]:
    """Return the row with the datetimes as SQLite stores them."""
    adapt = connection.ops.adapt_datetimefield_value
    return [adapt(value) if isinstance(value, datetime) else value for value in row]


def _inet(address: str) -> str | None:
    """Return an address that PostgreSQL's inet accepts, or None:

    one address must not fail a batch.
    """
    try:
        return str(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return None
