"""Run the curl lines of the documents in a shell, as written."""

import json
import subprocess
from dataclasses import dataclass
from email.parser import Parser
from typing import Any

# Adds the options that the documents' lines lack: print the response's headers and no progress bar.
WITH_HEADERS = 'curl() { command curl --silent --show-error --include "$@"; }\n'


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.json["code"]


def curl(line: str, *, where: dict[str, str]) -> Answer:
    """Run the line with the texts of `where` replaced. Each of them must occur in the line."""
    for written, real in where.items():
        assert written in line
        line = line.replace(written, real)
    command = ["bash", "-c", WITH_HEADERS + line]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
    head, _, text = done.stdout.decode().partition("\r\n\r\n")
    first, _, fields = head.partition("\r\n")
    headers = {name.lower(): value for name, value in Parser().parsestr(fields).items()}
    return Answer(int(first.split()[1]), headers, text)
