"""Measure verification without HTTP: ``python -m benchmarks.in_process SECRET``.

Print microseconds, queries and Argon2id runs.
"""

import json
import sys
import time

import django

django.setup()

from argon2 import PasswordHasher  # noqa: E402
from django.db import connection  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from apikeys.verify.judge import Credential, verify  # noqa: E402
from benchmarks.flood import forged  # noqa: E402

ROUNDS, EACH = 20, 500
hashed = 0


def count_argon2() -> None:
    original = PasswordHasher.verify

    def counted(*arguments: object, **named: object) -> bool:
        global hashed
        hashed += 1
        return original(*arguments, **named)  # type: ignore[arg-type]

    PasswordHasher.verify = counted  # type: ignore[assignment, method-assign]


def cost(presented: list[str], *, accepted: bool) -> tuple[int, int]:
    """Verify each secret once and return the number of queries and Argon2id runs."""
    before = hashed
    with CaptureQueriesContext(connection) as queries:
        for text in presented:
            if isinstance(verify(text, now=timezone.now()), Credential) is not accepted:
                sys.exit("A secret was not accepted or denied as expected.")
    return len(queries), hashed - before


def main(secret: str) -> None:
    count_argon2()
    cold = cost([secret], accepted=True)
    # All within one lease.
    warm = cost([secret] * 100, accepted=True)
    best = min(_time(secret) for _ in range(ROUNDS))
    unknown = cost([forged() for _ in range(1000)], accepted=False)
    print(json.dumps({"cold": cold, "warm": warm, "microseconds": best, "forged": unknown}))


def _time(secret: str) -> float:
    """Return the microseconds per verification, including the renewal of leases."""
    began = time.perf_counter()
    for _ in range(EACH):
        verify(secret, now=timezone.now())
    return (time.perf_counter() - began) / EACH * 1e6


if __name__ == "__main__":
    main(sys.argv[1])
