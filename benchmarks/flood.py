"""Measure how a flood of forged secrets slows down valid callers."""

import secrets
import string
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.load import SCRIPT
from benchmarks.servers import Server

_BASE62 = string.ascii_letters + string.digits
GOOD_PER_SECOND = 50


def forged() -> str:
    """Return a secret of the right shape with an invalid tag."""
    return "sk_live_" + "".join(secrets.choice(_BASE62) for _ in range(32))


def good(keyway: Server, secret: str, *, seconds: float) -> list[float]:
    """Send 50 requests per second and return the milliseconds from when each was due."""
    connection = HTTPConnection("127.0.0.1", keyway.port, timeout=30)
    taken = []
    began = time.perf_counter()
    for number in range(int(seconds * GOOD_PER_SECOND)):
        due = began + number / GOOD_PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        connection.request("GET", "/api/v1/verify", headers={"X-API-Key": secret})
        answer = connection.getresponse()
        answer.read()
        taken.append((time.perf_counter() - due) * 1000)
        if answer.status != 204:
            sys.exit(f"A valid key was answered {answer.status} during the flood.")
    return taken


def p99(taken: list[float]) -> float:
    return sorted(taken)[int(len(taken) * 0.99)]


class Flood:
    """Context manager that sends `rate` forged secrets per second; 0 for as fast as possible."""

    def __init__(self, keyway: Server, rate: int) -> None:
        self._keyway, self._rate = keyway, rate
        self._stop = threading.Event()
        self.sent = 0

    def __enter__(self) -> "Flood":
        self._thread = threading.Thread(target=self._pour)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _pour(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            lines, script = Path(folder) / "headers", Path(folder) / "load.lua"
            lines.write_text("".join(f"X-API-Key: {forged()}\n" for _ in range(20_000)))
            pause = (
                f"\ndelay = function() return {1000 // (self._rate // 4)} end\n"
                if self._rate
                else ""
            )
            script.write_text(SCRIPT % lines + pause)
            # A real flood has its own processors. Here it shares two cores with the servers, so it
            # runs at the lowest priority and uses only what they leave.
            wrk = ["nice", "-n", "19", "wrk", "-t1", "-c4", "-d600s", "-s", str(script)]
            command = [*wrk, f"{self._keyway.url}/api/v1/verify"]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                self._stop.wait()
                process.terminate()
