"""Read everything that a page or a response shows from one snapshot of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction


@contextmanager
def one_snapshot(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Read from one snapshot inside; a write raises a DatabaseError.

    Use it as a context manager, or as a decorator of a read-only view. Querysets are lazy, so
    render inside the block. Does nothing inside a transaction, because the isolation level of a
    running transaction cannot be changed.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with _reading(connection), transaction.atomic(using):
            yield
    else:
        with transaction.atomic(using):
            # Must be the first statement of the transaction. READ COMMITTED, PostgreSQL's default,
            # takes a new snapshot for each statement.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


@contextmanager
def _reading(connection: Any) -> Iterator[None]:
    """Begin SQLite transactions as readers.

    By default they begin as IMMEDIATE, which takes the only write lock, so readers would wait for
    writers and for each other. A deferred transaction reads one snapshot of the write-ahead log.
    """
    connection.ensure_connection()  # connect first, because connecting resets the mode
    mode, connection.transaction_mode = connection.transaction_mode, "DEFERRED"
    _query_only(connection, "ON")
    try:
        yield
    finally:
        _query_only(connection, "OFF")
        connection.transaction_mode = mode


def _query_only(connection: Any, value: str) -> None:
    """Refuse writes like READ ONLY on PostgreSQL, so that a mistake fails on both databases."""
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA query_only = {value}")
