"""Insert many rows with PostgreSQL's COPY in text format.

Adapting Python values one by one costs several times as much as storing them, so callers pass text.
"""

from collections.abc import Iterable, Sequence

from django.db import connection


def copy_in(table: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Insert rows of text into `table`. Values cannot be NULL. Raises Django's database errors."""
    lines = ["\0".join(row).encode() for row in rows]
    if not lines:
        return
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        copy.write(_escape(b"\xff".join(lines)))


def _escape(text: bytes) -> bytes:
    """Escape all rows in one pass.

    Until the tabs and newlines in values are escaped, NUL separates values and 0xFF separates rows.
    UTF-8 never contains 0xFF. PostgreSQL text never contains NUL, so a value with one makes a row
    with too many columns, and COPY rejects the whole statement.
    """
    text = (
        text.replace(b"\\", rb"\\")
        .replace(b"\n", rb"\n")
        .replace(b"\r", rb"\r")
        .replace(b"\t", rb"\t")
    )
    return text.replace(b"\0", b"\t").replace(b"\xff", b"\n") + b"\n"
