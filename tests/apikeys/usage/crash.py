"""Kill processes at random while requests are made, then compare the responses with the usage.

Run ``python -m tests.apikeys.usage.crash --requests 1000000``; test_crash.py is the short run.

Every request carries a number in its user agent. A killed worker may have recorded a request
without answering it, so the answered requests are the least that must be recorded, and the started
ones the most.
"""

import argparse
import http.client
import math
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg

from apikeys.usage.spool import segment
from tests.servers.keyway import KeywayServer
from tests.servers.postgres import PostgresServer

CLIENTS = 6
MARK = "crash/"
UNLIMITED: dict[str, Any] = {"KEYWAY_LIMIT_KEY": "", "KEYWAY_LIMIT_ORGANIZATION": ""}


@dataclass
class Outcome:
    """The result.

    Requests are numbers; `recorded` holds those that the usage lists with status 200.
    """

    started: int = 0
    answered: set[int] = field(default_factory=set)
    refused: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    recorded: Counter[int] = field(default_factory=Counter)
    rolled_up: int = 0
    rows: int = 0
    left: list[str] = field(default_factory=list)
    seconds: float = 0.0
    drained_in: float = 0.0

    @property
    def lost(self) -> set[int]:
        return self.answered - self.recorded.keys()

    @property
    def twice(self) -> list[int]:
        return [number for number, times in self.recorded.items() if times > 1]

    @property
    def invented(self) -> list[int]:
        return [number for number in self.recorded if not 0 <= number < self.started]

    @property
    def unanswered(self) -> int:
        """How many were recorded, but killed before the response arrived."""
        return len(self.recorded.keys() - self.answered)

    def __str__(self) -> str:
        return (
            f"{self.started} started, {len(self.answered)} answered 200,"
            f" {self.refused.total()} answered otherwise {dict(self.refused)},"
            f" {self.broken} broken off, in {self.seconds:.0f} s; killed {dict(self.kills)}.\n"
            f"{len(self.recorded)} recorded as 200, {self.unanswered} of them without a response,"
            f" whose worker was killed; backlog drained in {self.drained_in:.1f} s.\n"
            f"{len(self.lost)} lost, {len(self.twice)} twice, {len(self.invented)} invented;"
            f" {self.rows} rows, {self.rolled_up} in the roll-ups;"
            f" left in the spool: {self.left or 'nothing'}."
        )


class Clients:
    """Threads with keep-alive connections, for a number of requests or until the time is over."""

    def __init__(
        self, server: KeywayServer, requests: int, seconds: float, outcome: Outcome
    ) -> None:
        self._server, self._requests, self._outcome = server, requests, outcome
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._secrets = [key["secret"] for key in server.seed["keys"]]
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error:
            self._requests = 0
        for thread in self._threads:
            thread.join()

    @property
    def are_busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        while (number := self._next()) is not None:
            headers = {
                "X-API-Key": self._secrets[number % len(self._secrets)],
                "User-Agent": f"{MARK}{number}",
            }
            try:
                connection.request("GET", "/api/v1/whoami", headers=headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                with self._lock:
                    self._outcome.broken += 1
                time.sleep(0.01)
                continue
            self._note(number, response.status)
        connection.close()

    def _next(self) -> int | None:
        with self._lock:
            if self._outcome.started >= self._requests or time.monotonic() > self._until:
                return None
            self._outcome.started += 1
            return self._outcome.started - 1

    def _note(self, number: int, status: int) -> None:
        with self._lock:
            if status == 200:
                self._outcome.answered.add(number)
            else:
                self._outcome.refused[status] += 1


class Killer:
    """Kills a server process, the worker that drains or all of PostgreSQL, at random.

    Waits for `apart` responses between two kills. On a busy machine workers start slower than they
    can be killed, and a long run would test only their start.
    """

    def __init__(
        self,
        server: KeywayServer,
        postgres: PostgresServer,
        outcome: Outcome,
        *,
        seed: int,
        apart: int,
    ) -> None:
        self._server, self._postgres, self._outcome = server, postgres, outcome
        self._dice, self._apart, self._struck_at = random.Random(seed), apart, 0
        self._victims: list[Callable[[], None]] = [
            self._kill_worker,
            self._kill_drainer,
            self._kill_postgres,
        ]
        self._often = [6, 3, 1]

    def strike(self) -> None:
        """Kill each kind once, then at random."""
        time.sleep(self._dice.uniform(0.2, 2.0))
        if len(self._outcome.answered) < self._struck_at + self._apart:
            return
        self._struck_at = len(self._outcome.answered)
        struck = self._outcome.kills.total()
        victim = (
            self._victims[struck]
            if struck < 3
            else self._dice.choices(self._victims, self._often)[0]
        )
        victim()
        self._outcome.kills[victim.__name__.removeprefix("_kill_")] += 1

    def _kill_worker(self) -> None:
        assert self._server.process
        if workers := psutil.Process(self._server.process.pid).children():
            self._dice.choice(workers).kill()

    def _kill_drainer(self) -> None:
        assert self._server.worker
        self._server.worker.kill()
        self._server.worker.wait(30)
        self._server.worker = self._server.launch("manage.py", "work")

    def _kill_postgres(self) -> None:
        self._postgres.kill()
        time.sleep(self._dice.uniform(0.1, 1.5))
        self._postgres.start()


def run(
    *, requests: int, seconds: float = math.inf, seed: int = 0, workers: int = 3, apart: int = 0
) -> Outcome:
    outcome = Outcome()
    with (
        PostgresServer() as postgres,
        KeywayServer(postgres.url, workers=workers, **UNLIMITED) as server,
    ):
        killer = Killer(server, postgres, outcome, seed=seed, apart=apart)
        began = time.monotonic()
        with Clients(server, requests, seconds, outcome) as clients:
            while clients.are_busy:
                killer.strike()
        outcome.seconds = time.monotonic() - began
        server.stop()
        began = time.monotonic()
        server.manage("drain_usage", "--once")
        outcome.drained_in = time.monotonic() - began
        _count_recorded(postgres.url, outcome)
        outcome.left = [
            path.name
            for path in Path(server.environment["KEYWAY_SPOOL"]).iterdir()
            # A process that is killed before it names its segment leaves a file without lines,
            # which is swept once it is old.
            if path.name != "drain.lock" and path.suffix != segment._UNNAMED
        ]
    return outcome


def _count_recorded(url: str, outcome: Outcome) -> None:
    with psycopg.connect(url) as connection:
        for (agent,) in _rows(connection, "SELECT user_agent FROM apikeys_use WHERE status = 200"):
            outcome.recorded[int(str(agent).removeprefix(MARK))] += 1
        ((outcome.rows,),) = _rows(connection, "SELECT count(*) FROM apikeys_use")
        ((outcome.rolled_up,),) = _rows(
            connection, "SELECT sum(requests)::bigint FROM apikeys_usecount WHERE period = 'ever'"
        )


def _rows(connection: psycopg.Connection, statement: str) -> Iterator[tuple[int, ...]]:
    with connection.cursor("rows") as cursor:
        cursor.execute(statement.encode())
        yield from cursor


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="start no request after this time"
    )
    parser.add_argument(
        "--apart", type=int, default=500, help="least number of responses between two kills"
    )
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    outcome = run(**vars(options))
    print(outcome)
    return (
        1
        if outcome.lost
        or outcome.twice
        or outcome.invented
        or outcome.left
        or outcome.rows != outcome.rolled_up
        else 0
    )


if __name__ == "__main__":
    sys.exit(main())
