"""docs/agent.md matches the code."""

import re
from pathlib import Path

from keyway_agent import answers, errors, settings
from keyway_agent.__main__ import STATUSES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "agent.md").read_text()


def test_documented_fields_are_exactly_those_of_the_code() -> None:
    code = Path(settings.__file__).read_text()
    fields = set(re.findall(r'reader\.(?:text|flag|number|section)\("(\w+)"', code)) - {"Source"}
    documented = {
        name.removeprefix("Source.")
        for name in re.findall(r"^\| `([\w.]+)` \|", DOCUMENT, re.MULTILINE)
    }
    assert documented == fields


def test_documented_exit_statuses_match_the_help() -> None:
    documented = set(re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE))
    assert documented == set(re.findall(r"^ +(\d+)  ", STATUSES, re.MULTILINE))
    assert documented >= {str(value) for name, value in vars(errors).items() if name.isupper()}


def test_every_permanent_refusal_is_documented() -> None:
    row = next(line for line in DOCUMENT.splitlines() if "exits with 77" in line)
    assert set(re.findall(r"`(\w+)`", row)) == answers.PERMANENT
