"""Helpers for tests of pages: nonces, secrets, aged sign-ins and query counts."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

RECORDS = "account_authentication_methods"


def nonce_of(response: Any) -> str:
    """Return the nonce of the form on the page."""
    found = re.search(r'name="nonce" value="([^"]+)"', response.content.decode())
    assert found, response.content.decode()
    return found[1]


def secret_of(response: Any) -> str:
    """Return the secret on a reveal page."""
    found = re.search(r'value="([as]k_(?:live|test)_[0-9A-Za-z]{32})"', response.content.decode())
    assert found, response.content.decode()
    return found[1]


def grow_old(client: Client, seconds: float) -> None:
    """Move the session's sign-in `seconds` into the past."""
    session = client.session
    session[RECORDS] = [{**record, "at": record["at"] - seconds} for record in session[RECORDS]]
    session.save()


def tables_asked(work: Callable[[], Any]) -> Counter[str]:
    """Run `work` and count its SELECTs by the first table they read."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert work().status_code == 200
    reads = (re.match(r'SELECT .*? FROM "(\w+)"', query["sql"], re.DOTALL) for query in captured)
    return Counter(read[1] for read in reads if read)
