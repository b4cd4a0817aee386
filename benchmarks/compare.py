"""Compare this checkout with another one: ``python -m benchmarks.compare PATH [--pairs N]``.

Both serve the same database at the same time, each with the Python of its own ``.venv``. In every
pair each of the two is asked in turn, and the order changes from pair to pair, so that a machine
that gets slower harms both alike. The other checkout must know the tables of this one's database,
or fewer.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import load
from benchmarks.requests_per_second import SETTLE_SECONDS
from benchmarks.servers import KEYWAY, ROOT, Server, manage
from tests.servers.postgres import PostgresServer

PATHS = ("/api/v1/whoami", "/api/v1/verify?scope=read:audit-activity")


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the order statistics that hold the median with at least 95 % confidence.

    For 20 values these are the 6th and the 15th (binomial, without any assumption of a shape).
    """
    ordered, size = sorted(ratios), len(ratios)
    below, left_out = 0.0, 0
    chance = 0.5**size
    while below + chance <= 0.025:
        below += chance
        left_out += 1
        chance = chance * (size - left_out + 1) / left_out
    return ordered[max(0, left_out - 1)], ordered[min(size - 1, size - left_out)]


def measure(
    other: Server, this: Server, keys: Sequence[str], *, pairs: int, seconds: int
) -> dict[str, list[float]]:
    """Return this checkout's rate divided by the other's, by path. The first pair only warms up."""
    headers = [f"X-API-Key: {key}" for key in keys]
    ratios: dict[str, list[float]] = {path: [] for path in PATHS}
    for number in range(pairs + 1):
        for path, taken in ratios.items():
            rates = {}
            for server in (other, this) if number % 2 else (this, other):
                time.sleep(SETTLE_SECONDS)
                rates[server] = load.drive(f"{server.url}{path}", headers, seconds=seconds).rate
            if number:
                taken.append(rates[this] / rates[other])
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("other", type=Path, help="a checkout whose dependencies are installed")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=5, help="of each server in each pair")
    options = parser.parse_args()
    load.need()
    with PostgresServer() as postgres:
        manage(KEYWAY, postgres.url, "migrate", "--verbosity", "0")
        seeded = manage(KEYWAY, postgres.url, "benchmarks.seed_keyway", "1000", "16")
        keys = json.loads(seeded)["public"]
        with (
            Server(KEYWAY, "config.wsgi", postgres.url, workers=1, root=options.other) as other,
            Server(KEYWAY, "config.wsgi", postgres.url, workers=1, root=ROOT) as this,
        ):
            ratios = measure(other, this, keys, pairs=options.pairs, seconds=options.seconds)
    for path, taken in ratios.items():
        low, high = interval(taken)
        median = statistics.median(taken)
        print(f"{path}: {median:.3f} of the other ({low:.3f} to {high:.3f}), {len(taken)} pairs")


if __name__ == "__main__":
    main()
