"""Measure Keyway and its peers in one run and print one table. See ``--help`` for smaller runs.

Everything uses one throwaway PostgreSQL: Keyway with its default features on (scope check, limits,
usage recorded and drained, trail) and a stock Django project with the peers. Both run behind the
same gunicorn with the same workers.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import flood, ingest, load, reading, report, requests_per_second
from benchmarks.report import Figure
from benchmarks.servers import KEYWAY, PEERS, Server, manage
from tests.servers.postgres import PostgresServer

WHOAMI, VERIFY = "Keyway, /api/v1/whoami", "Keyway, /api/v1/verify"
KNOX, API_KEY, OPEN, BARE = (
    "django-rest-knox",
    "djangorestframework-api-key",
    "open DRF view",
    "bare Django view",
)
USED = 16


class Bench:
    """The filled databases and the results: `lines` of the rates table, and `figures`."""

    def __init__(self, postgres: PostgresServer, options: argparse.Namespace) -> None:
        self.options = options
        self.keyway, self.peers = postgres.url, postgres.url_of("peers")
        with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE peers")
        manage(KEYWAY, self.keyway, "migrate", "--verbosity", "0")
        manage(PEERS, self.peers, "migrate", "--run-syncdb", "--verbosity", "0")
        printed = manage(
            KEYWAY, self.keyway, "benchmarks.seed_keyway", str(options.credentials), str(USED)
        )
        self.secrets: dict[str, Any] = json.loads(printed)
        self.headers = json.loads(
            manage(PEERS, self.peers, "benchmarks.seed_peers", str(options.credentials), str(USED))
        )
        self.lines: list[str] = []
        self.figures: list[Figure] = []

    def serve_keyway(self, workers: int = 1, threads: int = 4) -> Server:
        return Server(KEYWAY, "config.wsgi", self.keyway, workers=workers, threads=threads)

    def serve_peers(self, threads: int = 4) -> Server:
        return Server(PEERS, "benchmarks.peers.wsgi", self.peers, workers=1, threads=threads)


def rates(bench: Bench) -> None:
    with bench.serve_keyway() as keyway, bench.serve_peers() as peers:
        asked = requests_per_second.subjects(keyway, peers, bench.secrets, bench.headers)
        taken = requests_per_second.measure(
            asked, rounds=bench.options.rounds, seconds=bench.options.seconds
        )
    bench.lines += report.rates(taken)

    def ratio(one: str, other: str) -> float:
        return taken[one].rate / taken[other].rate

    def added(name: str) -> float:
        return 1 / taken[name].rate - 1 / taken[OPEN].rate

    bench.figures += [
        Figure("whoami ÷ open DRF view, requests/s", ratio(WHOAMI, OPEN), least=0.85),
        Figure(
            "whoami ÷ djangorestframework-api-key, requests/s", ratio(WHOAMI, API_KEY), least=1.8
        ),
        Figure("whoami ÷ knox, requests/s", ratio(WHOAMI, KNOX), least=2.9),
        Figure(
            "time added to the open view, ours ÷ djangorestframework-api-key's",
            added(WHOAMI) / added(API_KEY),
            most=0.2,
        ),
        Figure("time added to the open view, ours ÷ knox's", added(WHOAMI) / added(KNOX), most=0.1),
        Figure("verify ÷ bare Django view, requests/s", ratio(VERIFY, BARE), least=0.85),
        Figure(
            "verify ÷ djangorestframework-api-key, requests/s", ratio(VERIFY, API_KEY), least=2.4
        ),
    ]


def verification(bench: Bench) -> None:
    measured = json.loads(
        manage(KEYWAY, bench.keyway, "benchmarks.in_process", bench.secrets["public"][0])
    )
    bench.figures += [
        Figure("warm verification in process", measured["microseconds"], "µs", most=60),
        Figure("queries of 100 warm verifications", measured["warm"][0], most=0),
        Figure("queries of a cold verification", measured["cold"][0], most=1),
        Figure("Argon2id runs of a cold verification", measured["cold"][1], most=1),
        Figure("queries of 1,000 forged secrets", measured["forged"][0], most=0),
        Figure("Argon2id runs of 1,000 forged secrets", measured["forged"][1], most=0),
    ]


def forged(bench: Bench) -> None:
    secret = bench.secrets["public"][0]
    with bench.serve_keyway(workers=2) as keyway:
        flood.good(keyway, secret, seconds=3)
        idle = flood.p99(flood.good(keyway, secret, seconds=20))
        with flood.Flood(keyway, 1000):
            beside = flood.p99(flood.good(keyway, secret, seconds=20))
        with flood.Flood(keyway, 0):
            full = flood.p99(flood.good(keyway, secret, seconds=20))
    bench.figures += [
        Figure("p99 of valid traffic, 50 requests/s, without a flood", idle, "ms"),
        Figure("the same during 1,000 forged secrets per second ÷ without", beside / idle, most=2),
        Figure(
            "the same during forged secrets at full speed over four connections ÷ without",
            full / idle,
            most=2,
        ),
    ]


def events(bench: Bench) -> None:
    with (
        bench.serve_keyway(threads=ingest.AGENTS) as keyway,
        bench.serve_peers(threads=ingest.AGENTS) as peers,
    ):
        ours, theirs = ingest.measure(
            keyway, peers, bench.secrets["agent"], rounds=bench.options.rounds
        )
    bench.figures += [
        Figure("ingest over HTTP, batches of 1,000, one worker", ours, "events/s", least=30_000),
        Figure("ingest ÷ DRF serializer with bulk_create", ours / theirs, least=8),
    ]


def pages(bench: Bench) -> None:
    options = bench.options
    seeded = json.loads(
        manage(
            KEYWAY, bench.keyway, "benchmarks.history", str(options.events), str(options.requests)
        )
    )
    with bench.serve_keyway() as keyway:
        depths = reading.activity(
            keyway, bench.secrets["public"][0], seeded["cursors"], times=options.times
        )
        usage = reading.usage(keyway, seeded["large"], seeded["small"], times=options.times)
    first = depths.pop("page one")
    bench.figures += [
        Figure(f"activity, page one of {options.events:,} events", first, "ms", most=20),
        *(
            Figure(f"activity, page {name} of the way ÷ page one", taken / first, most=1.5)
            for name, taken in depths.items()
        ),
        Figure(
            f"usage statistics of a key with {options.requests:,} requests",
            usage["large"],
            "ms",
            most=50,
        ),
        Figure(
            "the same ÷ a key with a thousandth of the requests",
            usage["large"] / usage["small"],
            most=1.5,
        ),
    ]


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "rates": rates,
    "verification": verification,
    "forged": forged,
    "events": events,
    "pages": pages,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--credentials", type=int, default=100_000, help="stored credentials of each kind")
    add("--rounds", type=int, default=5, help="rounds of measurement")
    add("--seconds", type=int, default=5, help="seconds per subject and round")
    add("--events", type=int, default=10_000_000, help="stored activity events")
    add("--requests", type=int, default=10_000_000, help="stored requests of one key")
    add("--times", type=int, default=100, help="requests of each page")
    add("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS), help="sections to run")
    add("--write", type=Path, help="write the tables into this file, below its line of dashes")
    options = parser.parse_args()
    load.need()
    with PostgresServer() as postgres:
        bench = Bench(postgres, options)
        for name in options.only:
            print(f"measuring {name}", file=sys.stderr, flush=True)
            before = len(bench.figures)
            SECTIONS[name](bench)
            print(
                "\n".join(figure.row() for figure in bench.figures[before:]),
                file=sys.stderr,
                flush=True,
            )
    text = "\n".join([*report.head(), "", *report.figures(bench.figures), "", *bench.lines, ""])
    print(text)
    if options.write:
        above = options.write.read_text().partition("\n---\n")[0]
        options.write.write_text(f"{above}\n---\n\n{text}")
    return 0 if all(figure.is_reached for figure in bench.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
