"""Measure authentication over HTTP: Keyway's two endpoints and its peers, measured in turns."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import load
from benchmarks.load import Reading
from benchmarks.servers import Server

SETTLE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Subject:
    name: str
    url: str
    headers: Sequence[str] = ()


def subjects(
    keyway: Server, peers: Server, secrets: dict[str, list[str]], headers: dict[str, list[str]]
) -> list[Subject]:
    keys = [f"X-API-Key: {secret}" for secret in secrets["public"]]
    return [
        Subject("bare Django view", f"{peers.url}/bare"),
        Subject("open DRF view", f"{peers.url}/open"),
        Subject("DRF TokenAuthentication", f"{peers.url}/token", headers["token"]),
        Subject("django-rest-knox", f"{peers.url}/knox", headers["knox"]),
        Subject("djangorestframework-api-key", f"{peers.url}/api-key", headers["api-key"]),
        Subject("Keyway, /api/v1/whoami", f"{keyway.url}/api/v1/whoami", keys),
        Subject(
            "Keyway, /api/v1/verify", f"{keyway.url}/api/v1/verify?scope=read:audit-activity", keys
        ),
        Subject("Argon2 at every request", f"{peers.url}/argon2", headers["argon2"]),
    ]


def measure(measured: Sequence[Subject], *, rounds: int, seconds: int) -> dict[str, Reading]:
    """Return the median of each figure over all rounds, after one short warm-up round."""
    readings: dict[str, list[Reading]] = {subject.name: [] for subject in measured}
    for number in range(rounds + 1):
        for subject in measured:
            # The servers still work on requests that the previous load left unanswered. Argon2
            # takes longest.
            time.sleep(SETTLE_SECONDS)
            reading = load.drive(subject.url, subject.headers, seconds=seconds if number else 2)
            if number:
                readings[subject.name].append(reading)
    return {name: _median(taken) for name, taken in readings.items()}


def _median(taken: Sequence[Reading]) -> Reading:
    return Reading(
        rate=statistics.median(reading.rate for reading in taken),
        p50=statistics.median(reading.p50 for reading in taken),
        p99=statistics.median(reading.p99 for reading in taken),
        refused=0,
    )
