"""Schemathesis against the whole API, in all its phases, once for every kind of credential.

``python -m tests.fuzz --examples 500`` is the long run, on a PostgreSQL of its own: it prints, by kind, how much was asked
and what was found. The suite runs a short one on SQLite (tests/test_fuzz.py).
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.servers.postgres import PostgresServer

Present = Callable[[], dict[str, str]]

KINDS = ("nobody", "agent key", "public key", "managing key", "user token", "application")
# Nobody is slowed down or limited here: each example is answered by what it asks.
QUIET = {
    "DJANGO_SETTINGS_MODULE": "tests.settings", "KEYWAY_LEASE_MS": "0", "KEYWAY_LOG_LEVEL": "CRITICAL",
    "KEYWAY_LIMIT_KEY": "", "KEYWAY_LIMIT_APPLICATION": "", "KEYWAY_LIMIT_ORGANIZATION": "", "KEYWAY_LIMIT_SIGN_IN": "",
    "KEYWAY_METRICS_TOKEN": "fuzz-" + "m" * 32,
}  # fmt: skip


@dataclass
class Findings:
    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    set_aside: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def take(self, recorder: Any) -> None:
        from schemathesis.engine import Status

        for name, interaction in recorder.interactions.items():
            label = recorder.cases[name].value.operation.label
            self.requests[label] += 1
            if interaction.response is not None:
                self.statuses[interaction.response.status_code] += 1
                if interaction.response.status_code < 300:
                    self.accepted.add(label)
        for name, checks in recorder.checks.items():
            for check in checks:
                self.checks[check.name] += 1
                if check.status is Status.FAILURE:
                    self._fail(recorder, name, check)

    def _fail(self, recorder: Any, name: str, check: Any) -> None:
        label, interaction = recorder.cases[name].value.operation.label, recorder.interactions.get(name)
        if interaction and (reason := _excuse(check.name, label, interaction)):
            self.set_aside[f"{check.name}: {reason}"] += 1
            return
        failure = check.failure_info.failure
        asked = (
            f"{interaction.request.method} {interaction.request.uri} {interaction.request.body!r:.300}" if interaction else ""
        )
        told = f"{interaction.response.content!r:.300}" if interaction and interaction.response else ""
        self.failures.setdefault(f"{label}: {check.name}", f"{failure.title}. {failure.message:.500}\n{asked}\n{told}")


def _excuse(check: str, label: str, interaction: Any) -> str:
    """Why a check that failed found nothing wrong. Empty: it did find something."""
    code = _code(interaction.response)
    if code == "several_credentials":
        return "it generated several credentials at once"
    if check == "positive_data_acceptance":
        return "as its schema says, and still asking for what is not there, not good together, or not good now"
    if check == "negative_data_rejection" and label.startswith("GET "):
        empty = [value for _, value in parse_qsl(urlsplit(interaction.request.uri).query, keep_blank_values=True) if not value]
        return "an empty parameter is one that is not there" if empty else ""
    return ""


def _code(response: Any) -> str:
    try:
        told = json.loads(response.content)
    except ValueError:
        return ""
    return str(told.get("code") or told.get("error") or "")


def fuzz(present: Present | None, *, examples: int, seed: int | None, is_brief: bool) -> Findings:
    import schemathesis
    from schemathesis.engine import events, from_schema

    from config.wsgi import application

    as_json = {"Accept": "application/json"}
    schema = schemathesis.openapi.from_wsgi(
        "/api/v1/schema", application, config=_configure(examples, seed, is_brief=is_brief), headers=as_json
    )

    if present:
        _authenticate(schema, present)
    findings = Findings()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            findings.take(event.recorder)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            where = getattr(event, "label", "everything")
            findings.failures.setdefault(f"{where}: error", str(getattr(event, "value", None) or event))
    return findings


def _teach() -> None:
    import schemathesis
    from schemathesis.transport.wsgi import WSGI_TRANSPORT

    # In-process there is no socket to configure; Schemathesis 4.32 does so all the same where it probes, and fails.
    send, of_sockets = WSGI_TRANSPORT.send, {"max_redirects", "verify", "cert", "proxies"}
    WSGI_TRANSPORT.send = lambda case, **wanted: send(case, **{name: wanted[name] for name in wanted.keys() - of_sockets})

    @schemathesis.serializer("application/x-ndjson")
    def ndjson(context: Any, value: Any) -> bytes:
        return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def _configure(examples: int, seed: int | None, *, is_brief: bool) -> Any:
    import schemathesis

    config = schemathesis.Config(seed=seed)
    project = config.projects.get_default()
    project.generation.max_examples = examples
    project.generation.deterministic = seed is not None
    project.generation.no_shrink = True
    project.workers = 1
    # They make some two thousand requests, whatever the number of examples.
    project.phases.coverage.enabled = project.phases.stateful.enabled = not is_brief
    project.continue_on_failure = True
    project.checks.negative_data_rejection.expected_statuses += ["413"]
    return config


def _authenticate(schema: Any, present: Present) -> None:
    @schema.auth(refresh_interval=None)
    class Presenting:
        def get(self, case: Any, context: Any) -> dict[str, str]:
            return present()

        def set(self, case: Any, data: dict[str, str], context: Any) -> None:
            case.headers = {**(case.headers or {}), **data}


@contextmanager
def throwaway_database(*, is_sqlite: bool) -> Iterator[str]:
    if is_sqlite:
        with tempfile.TemporaryDirectory(prefix="keyway-fuzz-") as folder:
            yield f"sqlite:///{Path(folder, 'keyway.sqlite3')}"
    else:
        with PostgresServer() as server:
            yield server.url


def run(kinds: tuple[str, ...], *, examples: int, seed: int | None, is_brief: bool) -> dict[str, Findings]:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.fuzz_cast import presentations

    call_command("migrate", verbosity=0)
    _teach()
    cast: Mapping[str, Present] = presentations()
    found = {}
    for kind in kinds:
        began = time.monotonic()
        found[kind] = fuzz(cast.get(kind), examples=examples, seed=seed, is_brief=is_brief)
        print(summary(kind, found[kind], time.monotonic() - began), flush=True)
    return found


def summary(kind: str, found: Findings, seconds: float) -> str:
    least = min(found.requests.values(), default=0)
    lines = [
        (
            f"{kind}: {found.requests.total()} requests to {len(found.requests)} operations (each at least {least})"
            f" in {seconds:.0f} s, {found.checks.total()} checks, {len(found.failures)} failures"
        ),
        f"  statuses: {dict(sorted(found.statuses.items()))}; operations that said yes: {len(found.accepted)}",
        *(f"  set aside {count} times: {reason}" for reason, count in sorted(found.set_aside.items())),
        *(f"  FAILED {what}\n{words}" for what, words in sorted(found.failures.items())),
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="of each operation, and phase that generates")
    parser.add_argument("--seed", type=int, help="the same examples every time")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind of credential; may be repeated")
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--brief", action="store_true", help="without the phases that enumerate and follow links")
    chosen = parser.parse_args()
    with throwaway_database(is_sqlite=chosen.sqlite) as url:
        os.environ |= QUIET | {"KEYWAY_TEST_DATABASE_URL": url}
        found = run(tuple(chosen.kind or KINDS), examples=chosen.examples, seed=chosen.seed, is_brief=chosen.brief)
    return 1 if any(each.failures for each in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
