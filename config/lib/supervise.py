"""Run a few processes as one, in the foreground. They start together and end together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

STOP_SECONDS = 25.0
_LOOK_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1
# SIGHUP means that the terminal was closed. gunicorn would take it as a request to reload.
_FORWARDED = {
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGINT: signal.SIGINT,
    signal.SIGHUP: signal.SIGTERM,
}


@dataclass(frozen=True, slots=True)
class Companion:
    """A command that may end without ending the others. Its output goes to `log`."""

    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path


def run(
    *commands: Sequence[str],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    companions: Sequence[Companion] = (),
) -> int:
    """Run the commands until one of them ends or a signal comes, then stop the others.

    Companions run beside them and are stopped with them.

    Returns the exit status of the command that ended first, or 128 + N if signal N killed it.
    SIGTERM and SIGINT are forwarded; the status is then that of the first command. No command
    outlives this process. On Linux that holds even if this process is killed.
    """
    supervisor = _Supervisor()
    previous = {number: signal.signal(number, supervisor.forward) for number in _FORWARDED}
    try:
        for command in commands:
            supervisor.start(command, folder, environment)
        for companion in companions:
            supervisor.accompany(companion, folder)
        return supervisor.wait()
    finally:
        supervisor.stop()
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Supervisor:
    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._companions: list[subprocess.Popen[bytes]] = []
        self._signalled: signal.Signals | None = None

    def start(
        self, command: Sequence[str], folder: Path | None, environment: Mapping[str, str] | None
    ) -> None:
        if not self._signalled:
            self._processes.append(_start(command, folder, environment))

    def accompany(self, companion: Companion, folder: Path | None) -> None:
        if self._signalled:
            return
        with companion.log.open("ab") as log:
            self._companions.append(_start(companion.command, folder, companion.environment, log))

    def forward(self, number: int, _: object) -> None:
        self._signalled = _FORWARDED[signal.Signals(number)]
        self._send(self._signalled)

    def wait(self) -> int:
        """Wait until the first process ends, or after a signal until all of them do."""
        while not self._signalled:
            for process in self._processes:
                if process.poll() is not None:
                    return _status(process)
            time.sleep(_LOOK_SECONDS)
        self.stop(self._signalled)
        return _status(self._processes[0]) if self._processes else 0

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the running processes, and kill what is left after STOP_SECONDS."""
        if number is not self._signalled:
            self._send(number)
        until = time.monotonic() + STOP_SECONDS
        for process in self._all:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def _all(self) -> list[subprocess.Popen[bytes]]:
        # Companions first: while they stop, those that they talk to still answer.
        return [*self._companions, *self._processes]

    def _send(self, number: signal.Signals) -> None:
        for process in self._all:
            if process.poll() is None:
                process.send_signal(number)


def _start(
    command: Sequence[str],
    folder: Path | None,
    environment: Mapping[str, str] | None,
    output: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    # A session of its own, because Ctrl-C would otherwise reach each command twice: from the
    # terminal and from `forward`.
    return subprocess.Popen(  # noqa: S603  the caller's own commands
        command,
        cwd=folder,
        env=environment,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509  there are no threads
    )


def _status(process: subprocess.Popen[bytes]) -> int:
    """Return the exit status as a shell reports it: 128 + N after signal N."""
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _die_with(parent: int) -> None:
    """In the new process, ask Linux for SIGTERM when the parent dies for any reason."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before it could be asked
        os._exit(1)
