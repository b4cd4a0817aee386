"""The example, series, settings and links of docs/usage.md match the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from apikeys.models import Key
from apikeys.services import Issued
from tenants.models import User
from tests.apikeys.usage.conftest import Drain
from tests.conftest import api, client_of

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "usage.md").read_text()


def shape(answer: Any) -> Any:
    """Return the answer with `str` for each text that differs from key to key."""
    if isinstance(answer, dict):
        return {
            name: value if name in {"endpoint", "reason"} else shape(value)
            for name, value in answer.items()
        }
    if isinstance(answer, list):
        return [shape(value) for value in answer]
    return str if isinstance(answer, str) else answer


def test_the_example_is_the_answer_after_its_requests(
    public_key: Issued, bob: User, drain: Drain
) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    for path, times in (("/api/v1/whoami", 7), ("/api/v1/agent/config", 2)):
        for _ in range(times):
            api(public_key).get(path)
    assert drain() == 9
    answer = client_of(bob).get(f"/api/v1/api-keys/{public_key.key.public_id}/usage").json()
    assert len(answer["daily_usage"]) == 30
    answer["daily_usage"] = answer["daily_usage"][:1]
    assert shape(answer) == shape(json.loads(example))
    assert Key.objects.get(pk=public_key.key.pk).last_used_at


def test_the_series_are_those_of_the_metrics() -> None:
    named = set(re.findall(r"keyway_[a-z_]+", TEXT))
    sources = ("config/lib/metrics.py", "apikeys/usage/spool/state.py")
    source = "".join((ROOT / path).read_text() for path in sources)
    assert {name for name in named if f'"{name.removesuffix("_total")}"' not in source} == set()


def test_the_settings_and_links_exist() -> None:
    settings = set(re.findall(r"KEYWAY_[A-Z_]+", TEXT))
    assert settings <= set(
        re.findall(r"KEYWAY_[A-Z_]+", (ROOT / "docs" / "configuration.md").read_text())
    )
    assert all((ROOT / "docs" / link).exists() for link in re.findall(r"\]\(([a-z-]+\.md)\)", TEXT))
