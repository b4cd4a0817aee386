"""Run the agent as its users do: as a process with a configuration file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import psutil

from tests.agent.conftest import AGENT


class AgentProcess:
    """One agent and its folder. start() after kill() restarts the same agent."""

    def __init__(self, folder: Path, **configuration: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.state = folder / "state"
        self._file, self._log = folder / "agent.json", folder / "agent.log"
        self._configuration: dict[str, Any] = {
            "Host": "pg-under-test",
            "StateDirectory": str(self.state),
        }
        self.configure(**configuration)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def configure(self, **configuration: Any) -> None:
        self._configuration |= configuration
        self._file.touch(0o600)
        self._file.write_text(json.dumps(self._configuration))

    def start(self, *options: str) -> None:
        command = [sys.executable, "-m", "keyway_agent", "--config", str(self._file), *options]
        environment = os.environ | {"PYTHONPATH": str(AGENT / "src")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def run(self, *options: str, seconds: float = 120) -> int:
        """Start the agent, wait until it exits, and return its exit status."""
        self.start(*options)
        return self.wait(seconds)

    def wait(self, seconds: float = 120) -> int:
        assert self._process
        return self._process.wait(seconds)

    def terminate(self) -> int:
        assert self._process
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def host(self) -> str:
        return str(self._configuration["Host"])

    def is_connected_to(self, port: int) -> bool:
        """Whether the agent has an open connection to the port."""
        assert self._process
        try:
            connections = psutil.Process(self._process.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(connection.raddr and connection.raddr.port == port for connection in connections)

    @property
    def log(self) -> str:
        return self._log.read_text()
