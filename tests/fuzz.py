"""Schemathesis against the whole API, in all its phases, once for every kind of credential.

``python -m tests.fuzz --examples 500`` is the long run, on a PostgreSQL of its own: it prints what was asked and what
was found, by kind. The suite runs a short one (tests/test_fuzz.py).
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KINDS = ("nobody", "agent key", "public key", "managing key", "user token", "application")
# Nobody is slowed down or limited here: each example is to be answered by what it asks.
QUIET = {
    "KEYWAY_LEASE_MS": "0", "KEYWAY_LIMIT_KEY": "", "KEYWAY_LIMIT_APPLICATION": "", "KEYWAY_LIMIT_ORGANIZATION": "",
    "KEYWAY_LIMIT_SIGN_IN": "", "KEYWAY_LOG_LEVEL": "CRITICAL", "DJANGO_SETTINGS_MODULE": "tests.settings",
}  # fmt: skip


@dataclass
class Findings:
    requests: Counter[str] = field(default_factory=Counter)
    good: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def take(self, scenario: Any) -> None:
        from schemathesis.engine import Status

        for name, interaction in scenario.recorder.interactions.items():
            label = scenario.recorder.cases[name].value.operation.label
            self.requests[label] += 1
            if interaction.response is not None:
                self.statuses[interaction.response.status_code] += 1
                self.good[label] += interaction.response.status_code < 300
        for name, checks in scenario.recorder.checks.items():
            for check in checks:
                if check.status is Status.FAILURE:
                    case = scenario.recorder.cases[name].value
                    key = f"{case.operation.label}: {check.name}"
                    self.failures.setdefault(key, _tell(check, scenario.recorder.interactions.get(name)))


def _tell(check: Any, interaction: Any) -> str:
    failure = check.failure_info.failure
    asked = interaction.request if interaction else None
    answer = interaction.response.content[:300] if interaction and interaction.response else b""
    return f"{failure.title}: {failure.message}\n    {asked.method if asked else ''} {asked.uri if asked else ''} {asked.body if asked else ''}\n    {answer!r}"


def fuzz(kind: str, present: Callable[[], dict[str, str]], *, examples: int, seed: int | None) -> Findings:
    import schemathesis
    from schemathesis.engine import events, from_schema

    from config.wsgi import application

    config = schemathesis.Config(seed=seed)
    project = config.projects.get_default()
    project.generation.max_examples = examples
    project.generation.deterministic = seed is not None
    project.generation.no_shrink = True
    project.workers = 1
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema", application, config=config, headers={"Accept": "application/json"})
    if kind != "nobody":

        @schema.auth(refresh_interval=None)
        class Presenting:
            def get(self, case: Any, context: Any) -> dict[str, str]:
                return present()

            def set(self, case: Any, data: dict[str, str], context: Any) -> None:
                case.headers = {**(case.headers or {}), **data}

    findings = Findings()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            findings.take(event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            findings.errors.append(str(event))
    return findings


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--examples", type=int, default=500)
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--kind", choices=KINDS, action="append")
    chosen = arguments.parse_args()
    import django
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    connection.creation.create_test_db(verbosity=0, serialize=False)
    from tests.fuzz_cast import cast
    presents = cast()
    for kind in chosen.kind or KINDS:
        began = time.monotonic()
        f = fuzz(kind, presents.get(kind, dict), examples=chosen.examples, seed=chosen.seed)
        print(f"== {kind}: {sum(f.requests.values())} requests to {len(f.requests)} operations in {time.monotonic() - began:.0f} s; {len(f.failures)} failures; {len(f.errors)} errors", dict(sorted(f.statuses.items())), flush=True)
        for label, n in sorted(f.requests.items()):
            print("    ", label, n, f.good[label])
        for key, words in f.failures.items():
            print("  FAIL", key, "\n   ", words)
        for e in f.errors[:10]: print("  ERROR", e[:600])
    return 0


if __name__ == "__main__":
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    sys.exit(main())
