"""Rows inserted with COPY are read back unchanged."""

import pytest
from django.db import DataError, connection, transaction

from config.lib.postgres_copy import copy_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no COPY"),
]
ROWS = [
    ("plain", "text"),
    ("", ""),
    ("tab\there", "line\nbreak\r\n"),
    (r"\N", r"\."),
    ("back\\slash", "\\\t\\\n\\\\"),
    ("ÿ é \U0001f511", "\x01\x7f"),
    ("last", ""),
]


@pytest.fixture(autouse=True)
def _table() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE copied (number serial, one text, other text) ON COMMIT DROP"
        )


def stored() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT one, other FROM copied ORDER BY number")
        rows: list[tuple[str, str]] = cursor.fetchall()
        return rows


def test_copied_rows_are_stored_unchanged() -> None:
    copy_in("copied", ("one", "other"), ROWS)
    copy_in("copied", ("one", "other"), [])
    copy_in("copied", ("one", "other"), [("", "")])
    assert stored() == [*ROWS, ("", "")]


def test_nul_refuses_all_rows() -> None:
    with pytest.raises(DataError), transaction.atomic():
        copy_in("copied", ("one", "other"), [("good", "row"), ("a\0b", "c")])
    assert stored() == []
