"""Read everything that one page or one answer shows from the same moment of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction


@contextmanager
def one_snapshot(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Read from one snapshot inside; a write raises a DatabaseError.

    Use it as a context manager, or as a decorator of a view that only reads. Querysets are lazy, so
    render inside. Does nothing inside a transaction: its isolation was chosen when it began.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with _reading(connection), transaction.atomic(using):
            yield
    else:
        with transaction.atomic(using):
            # READ COMMITTED, PostgreSQL's default, takes a new snapshot for each statement.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


@contextmanager
def _reading(connection: Any) -> Iterator[None]:
    """Begin SQLite's transactions as readers.

    The settings begin them IMMEDIATE, which takes the only write lock: readers would wait for
    writers and for each other. A deferred transaction reads one snapshot of the write-ahead log.
    """
    connection.ensure_connection()  # connecting sets the mode again
    mode, connection.transaction_mode = connection.transaction_mode, "DEFERRED"
    _query_only(connection, "ON")
    try:
        yield
    finally:
        _query_only(connection, "OFF")
        connection.transaction_mode = mode


def _query_only(connection: Any, value: str) -> None:
    """Refuse writes as READ ONLY does on PostgreSQL, so that a mistake shows on either database."""
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA query_only = {value}")
