"""The curl commands of docs/api-keys.md work, one after another."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tenants.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api-keys.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
LINES = [
    line
    for block in BLOCKS
    for line in re.split(r"\n(?=curl|TOKEN)", block.replace("\\\n", " ").strip())
]


def play(line: str, known: dict[str, str]) -> Any:
    """Send the request that the curl command would send."""
    for name, value in known.items():
        line = line.replace(f"'${name}'", value).replace(f"${name}", value)
    words = iter(shlex.split(line.removeprefix("TOKEN=$(").partition(" | ")[0]))
    method, url, body, headers = "", "", "", {}
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words)
            case _ if word.startswith("/"):
                url = word
    content_type = headers.pop("Content-Type", "")
    return Client().generic(
        method or ("POST" if body else "GET"), url, body, content_type, headers=headers
    )


def test_every_command_of_the_document_works(alice: User) -> None:
    known = {"KEYWAY_URL": "", "EMAIL": alice.email, "PASSWORD": PASSWORD}
    known["TOKEN"] = play(LINES[0], known).json()["access_token"]
    created = play(LINES[1], known)
    assert created.status_code == 201, created.content
    known["KEY"] = created.json()["id"]
    answers = [play(line, known) for line in LINES[2:]]
    assert [answer.status_code for answer in answers] == [200] * 6, [
        answer.content for answer in answers
    ]
