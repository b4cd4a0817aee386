"""The trials of tests/apikeys/revocation.py.

Usage: ``python -m tests.apikeys.revocation_trials TRIALS PORT PORT [WAY…]``.
"""

import http.client
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

import django

django.setup()

from apikeys import services  # noqa: E402
from apikeys.models import Key  # noqa: E402
from apikeys.services import Changes, Issued, Order  # noqa: E402
from audit.trail.actor import Actor  # noqa: E402
from tenants import services as tenants  # noqa: E402
from tenants.models import Membership, Organization  # noqa: E402

CALLERS = 8
PER_SECOND = 200
WARM_REQUESTS = 60
WARM_SECONDS = 5.0
AFTER_SECONDS = 0.4
SCOPE, OTHER_SCOPE = "read:audit-activity", "read:databases"


@dataclass
class Tally:
    """Requests by whether they started after the response, and by whether they were accepted."""

    counts: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    odd: Counter[int] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.counts[False, True]} accepted before; after the response"
            f" {self.counts[True, False]} refused and {self.counts[True, True]} accepted;"
            f" others {dict(self.odd)}"
        )


class Callers:
    """A context manager: threads that present one secret to both servers."""

    def __init__(self, ports: Sequence[int], secret: str) -> None:
        self._ports, self._secret = ports, secret
        self._stop = threading.Event()
        self.requests: list[tuple[float, int]] = []
        self._threads = [
            threading.Thread(target=self._send, args=(number,)) for number in range(CALLERS)
        ]

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
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def warm_up(self) -> None:
        deadline = time.monotonic() + WARM_SECONDS
        while (
            sum(status == 204 for _, status in self.requests) < WARM_REQUESTS
            and time.monotonic() < deadline
        ):
            time.sleep(0.02)

    def _send(self, number: int) -> None:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._ports[number % len(self._ports)], timeout=30
        )
        due = time.monotonic() + number / PER_SECOND
        while not self._stop.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due + CALLERS / PER_SECOND, time.monotonic())
            started = time.monotonic()
            connection.request(
                "GET", f"/api/v1/verify?scope={SCOPE}", headers={"X-API-Key": self._secret}
            )
            answer = connection.getresponse()
            answer.read()
            self.requests.append((started, answer.status))
        connection.close()


def trial(ports: Sequence[int], secret: str, take_away: Callable[[], object], tally: Tally) -> None:
    with Callers(ports, secret) as callers:
        callers.warm_up()
        take_away()
        answered = time.monotonic()
        time.sleep(AFTER_SECONDS)
    for started, status in callers.requests:
        if status in {204, 401, 403}:
            tally.counts[started > answered, status == 204] += 1
        else:
            tally.odd[status] += 1


class Cast:
    """Acme and its member bob, and the four ways to take power away from one of his keys."""

    def __init__(self) -> None:
        self.by = Actor.system("tests")
        self.acme = Organization.objects.get(slug="acme")
        self.bob = Membership.objects.get(organization=self.acme, user__email__startswith="bob@")
        self.ways = {
            "revoke": self.revoke,
            "owner": self.owner,
            "scopes": self.scopes,
            "organization": self.organization,
        }

    def issue(self) -> Issued:
        order = Order(name="under load")
        return services.issue_public_key(
            owner=self.bob, order=order, scopes=[SCOPE, OTHER_SCOPE], by=self.by
        )

    def revoke(self, key: Key) -> None:
        services.revoke(key=key, by=self.by)

    def scopes(self, key: Key) -> None:
        services.edit(
            key=key, changes=Changes(scopes=[OTHER_SCOPE]), within=key.authority, by=self.by
        )

    def owner(self, key: Key) -> None:
        tenants.deactivate_member(membership=self.bob, by=self.by)

    def organization(self, key: Key) -> None:
        tenants.suspend_organization(organization=self.acme, by=self.by)

    def give_back(self, way: str) -> None:
        if way == "owner":
            tenants.reactivate_member(membership=self.bob, by=self.by)
        if way == "organization":
            tenants.resume_organization(organization=self.acme, by=self.by)


def main(trials: int, ports: Sequence[int], ways: Sequence[str]) -> int:
    cast = Cast()
    tallies = {way: Tally() for way in ways or cast.ways}
    for _ in range(trials):
        for way, tally in tallies.items():
            issued = cast.issue()
            trial(ports, issued.plaintext.reveal(), partial(cast.ways[way], issued.key), tally)
            cast.give_back(way)
    for way, tally in tallies.items():
        print(f"{way}: {trials} trials: {tally}")
    accepted = sum(tally.counts[True, True] for tally in tallies.values())
    is_sound = all(
        tally.counts[False, True] and tally.counts[True, False] and not tally.odd
        for tally in tallies.values()
    )
    return 1 if accepted or not is_sound else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), [int(port) for port in sys.argv[2:4]], sys.argv[4:]))
