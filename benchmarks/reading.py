"""Measure pages whose time must not grow with the data: activity at any depth, a key's usage."""

import json
import statistics
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from urllib.parse import urlencode

from benchmarks.servers import PASSWORD, Server

# The fraction of the activity that is newer than the page.
DEPTHS = (0.01, 0.1, 0.5, 0.9, 0.99)


def activity(
    keyway: Server, secret: str, cursors: Sequence[str], *, times: int
) -> dict[str, float]:
    """Return the median milliseconds of a page of 100 at each depth, measured in turns."""
    first: dict[str, dict[str, str]] = {"page one": {}}
    pages = first | {
        f"at {depth:.0%}": {"cursor": cursor} for depth, cursor in zip(DEPTHS, cursors, strict=True)
    }
    paths = {
        name: f"/api/v1/public/audit-activity?{urlencode({'limit': 100, **query})}"
        for name, query in pages.items()
    }
    return _ask(keyway, paths, {"X-API-Key": secret}, times)


def usage(keyway: Server, large: str, small: str, *, times: int) -> dict[str, float]:
    paths = {
        name: f"/api/v1/api-keys/{key}/usage" for name, key in (("large", large), ("small", small))
    }
    return _ask(keyway, paths, {"Authorization": f"Bearer {_sign_in(keyway)}"}, times)


def _sign_in(keyway: Server) -> str:
    connection = HTTPConnection("127.0.0.1", keyway.port, timeout=60)
    body = json.dumps({"email": "alice@acme.example", "password": PASSWORD})
    connection.request("POST", "/api/v1/auth/login", body, {"Content-Type": "application/json"})
    return str(json.loads(connection.getresponse().read())["access_token"])


def _ask(
    keyway: Server, paths: dict[str, str], headers: dict[str, str], times: int
) -> dict[str, float]:
    connection = HTTPConnection("127.0.0.1", keyway.port, timeout=60)
    taken: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(times):
        for name, path in paths.items():
            began = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            taken[name].append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                raise SystemExit(f"{path} answered {answer.status}")
    return {name: statistics.median(milliseconds) for name, milliseconds in taken.items()}
