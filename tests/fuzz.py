"""Run Schemathesis against the whole API, in all its phases, once for each kind of credential.

``python -m tests.fuzz --examples 500`` is the long run, on its own PostgreSQL. It prints the
number of requests and the findings of each kind. tests/test_fuzz.py is a short run on SQLite.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz_excuses import excuse
from tests.servers.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.fuzz_cast import Present

KINDS = (
    "nobody", "agent key", "public key", "managing key", "user token", "browser session",
    "application", "client secret", "metrics token",
)  # fmt: skip
_COUNT = count()
NDJSON = "application/x-ndjson"
NETWORKS = ["192.0.2.7", "10.0.0.0/8", "::/0", "2001:db8::/32", "::ffff:192.0.2.0/120"]
MOST_TURNS = 10
PHASES = ("examples", "coverage", "fuzzing", "stateful")
# The other phases make about two thousand requests, whatever the number of examples.
BRIEF = ("examples", "fuzzing")
# Drawing data from earlier responses would make a seeded run irreproducible: the pool changes as
# keys come and go, and Hypothesis stops fuzzing an operation whose data changes between runs.
_INDEPENDENT = {"enabled": True, "extra-data-sources": {"responses": False}}
CREDENTIALS = {"x-api-key", "authorization", "cookie"}
# Without leases and limits, so that no answer depends on the requests before it.
QUIET = {
    "DJANGO_SETTINGS_MODULE": "tests.settings",
    "KEYWAY_LEASE_MS": "0",
    "KEYWAY_LOG_LEVEL": "CRITICAL",
    "KEYWAY_LIMIT_KEY": "",
    "KEYWAY_LIMIT_APPLICATION": "",
    "KEYWAY_LIMIT_ORGANIZATION": "",
    "KEYWAY_LIMIT_SIGN_IN": "",
    "KEYWAY_METRICS_TOKEN": "fuzz-" + "m" * 32,
}


@dataclass
class Findings:
    requests: Counter[str] = field(default_factory=Counter)
    generated: Counter[str] = field(default_factory=Counter)
    variable: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    set_aside: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0

    def lacking(self, examples: int) -> dict[str, int]:
        """Operations that take input and got fewer generated examples, with the number they got."""
        return {
            label: self.generated[label]
            for label in sorted(self.variable)
            if self.generated[label] < examples
        }

    def consume(self, stream: Iterator[Any]) -> None:
        from schemathesis.engine import events

        for event in stream:
            if isinstance(event, events.ScenarioFinished):
                self.add(event.recorder)
            elif isinstance(event, events.NonFatalError | events.FatalError):
                where = getattr(event, "label", "everything")
                self.failures.setdefault(
                    f"{where}: error", str(getattr(event, "value", None) or event)
                )

    def add(self, recorder: Any) -> None:
        from schemathesis.engine import Status

        for name, interaction in recorder.interactions.items():
            case = recorder.cases[name].value
            label = case.operation.label
            self.requests[label] += 1
            # Checks send requests of their own, as children of the case they examine.
            is_generated = (
                recorder.cases[name].parent_id is None
                and case.meta
                and case.meta.phase.name == "fuzzing"
            )
            self.generated[label] += bool(is_generated)
            if case.operation.body or any(case.operation.iter_parameters()):
                self.variable.add(label)
            if interaction.response is not None:
                self._note(label, interaction.response.status_code)
        for name, checks in recorder.checks.items():
            for check in checks:
                self.checks[check.name] += 1
                if check.status is Status.FAILURE:
                    self._fail(recorder, name, check)

    def _note(self, label: str, status: int) -> None:
        self.statuses[status] += 1
        if status < 300:
            self.accepted.add(label)

    def _fail(self, recorder: Any, name: str, check: Any) -> None:
        label, interaction = (
            recorder.cases[name].value.operation.label,
            recorder.interactions.get(name),
        )
        if interaction and interaction.response and (reason := excuse(check.name, interaction)):
            self.set_aside[reason] += 1
            return
        failure = check.failure_info.failure
        lines = [f"{failure.title}. {failure.message:.500}", "", ""]
        if interaction:
            request = interaction.request
            lines[1] = f"{request.method} {request.uri} {request.body!r:.300}"
        if interaction and interaction.response:
            lines[2] = f"{interaction.response.content!r:.300}"
        self.failures.setdefault(f"{label}: {check.name}", "\n".join(lines))


def fuzz(present: "Present | None", *, examples: int, seed: int | None, is_brief: bool) -> Findings:
    findings = Findings()
    findings.consume(_explore(present, _configure(examples, seed, BRIEF if is_brief else PHASES)))
    for turn in range(1, MOST_TURNS):
        if not (lacking := findings.lacking(examples)):
            break
        config = _configure(examples, None if seed is None else seed + turn, ("fuzzing",))
        findings.consume(_explore(present, config, only=lacking.keys()))
    for label, number in findings.lacking(examples).items():
        findings.failures[f"{label}: examples"] = f"Only {number} of {examples} were generated."
    return findings


def _explore(
    present: "Present | None", config: Any, *, only: Collection[str] = ()
) -> Iterator[Any]:
    import schemathesis
    from schemathesis.engine import from_schema

    from config.wsgi import application

    as_json = {"Accept": "application/json"}
    schema: Any = schemathesis.openapi.from_wsgi(
        "/api/v1/schema", application, config=config, headers=as_json
    )
    if present:
        _authenticate(schema, present)
    if only:
        schema = schema.include(func=lambda context: context.operation.label in only)
    yield from from_schema(schema).execute()


def _prepare_schemathesis() -> None:
    import schemathesis

    _ignore_socket_options()
    schemathesis.hook("before_load_schema")(_sharpen_schema)
    schemathesis.hook("before_call")(_use_existing_rows)
    schemathesis.serializer(NDJSON)(_ndjson)


def _ignore_socket_options() -> None:
    """Patch the WSGI transport.

    Schemathesis 4.32 passes it socket options when probing, and fails.
    """
    from schemathesis.transport.wsgi import WSGI_TRANSPORT

    transport: Any = WSGI_TRANSPORT
    send, of_sockets = transport.send, {"max_redirects", "verify", "cert", "proxies"}
    transport.send = lambda case, **options: send(
        case, **{name: options[name] for name in options.keys() - of_sockets}
    )


def _sharpen_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Make generated requests get past validation more often, without changing the API."""
    from apikeys.scopes import registry

    # Schemathesis checks missing credentials for `http` schemes only, and would skip an `oauth2`
    # one.
    raw_schema["components"]["securitySchemes"]["OAuth"] = {"type": "http", "scheme": "bearer"}
    # Made-up scopes and networks are refused before anything happens, so most keys get real ones.
    paths = raw_schema["paths"]
    for operation in (
        paths["/api/v1/api-keys"]["post"],
        paths["/api/v1/api-keys/{key_id}"]["patch"],
    ):
        fields = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
        fields["scopes"]["items"] = {"enum": sorted(registry())}
        fields["allowed_cidrs"]["items"] = {
            "anyOf": [{"enum": NETWORKS}, fields["allowed_cidrs"]["items"]]
        }
    # The document describes NDJSON as text. Generate events and let `_ndjson` write their lines.
    content = paths["/api/v1/agent/events"]["post"]["requestBody"]["content"]
    content[NDJSON]["schema"] = content["application/json"]["schema"]


def _use_existing_rows(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Replace most made-up key ids by existing ones, and make most idempotency keys unique."""
    from tests.fuzz_cast import existing_id

    if (
        case.meta
        and case.meta.phase.name == "fuzzing"
        and (made_up := case.path_parameters.get("key_id"))
    ):
        case.path_parameters["key_id"] = existing_id(str(made_up))
    # Otherwise most requests would replay an earlier one and few keys would be created.
    value, number = (case.headers or {}).get("Idempotency-Key"), next(_COUNT)
    if value and len(value) < 240 and number % 4:
        case.headers["Idempotency-Key"] = f"{value}{number}"


def _ndjson(context: Any, value: Any) -> bytes:
    if isinstance(value, bytes | str):
        return value if isinstance(value, bytes) else value.encode(errors="replace")
    return "".join(
        f"{json.dumps(each)}\n" for each in (value if isinstance(value, list) else [value])
    ).encode()


def _configure(examples: int, seed: int | None, phases: Collection[str]) -> Any:
    import schemathesis

    rejections = [
        *schemathesis.Config().projects.default.checks.negative_data_rejection.expected_statuses,
        "413",
    ]
    options = {
        "suppress-health-check": ["too_slow"],  # depends on the machine, not on the API
        "workers": 1,
        "continue-on-failure": True,
        "generation": {
            "max-examples": examples,
            "no-shrink": True,
            "deterministic": seed is not None,
            "database": "none",
        },
        "phases": {phase: {"enabled": phase in phases} for phase in PHASES}
        | {"fuzzing": _INDEPENDENT},
        "checks": {"negative_data_rejection": {"expected-statuses": rejections}},
        "output": {"truncation": {"max-recorded-payload-size": 0}},  # excuses read whole payloads
    }
    return schemathesis.Config.from_dict(options | ({} if seed is None else {"seed": seed}))


def _authenticate(schema: Any, present: "Present") -> None:
    """Make each example present this kind of credential, instead of a made-up one."""

    @schema.auth(refresh_interval=None)
    class Presenting:
        def __init__(self) -> None:
            self._credential, self._has_changed_something = present(), False

        def get(self, case: Any, context: Any) -> Any:
            # Checking whether the credential is still valid costs as much as the example itself,
            # and a GET never ends one.
            changes = case.method.upper() != "GET"
            if changes or self._has_changed_something:
                self._credential = present()
            self._has_changed_something = changes
            return self._credential

        def set(self, case: Any, data: Any, context: Any) -> None:
            others = {
                name: value
                for name, value in (case.headers or {}).items()
                if name.lower() not in CREDENTIALS
            }
            case.headers, case.cookies = others | data.headers, data.cookies


@contextmanager
def throwaway_database(*, is_sqlite: bool) -> Iterator[str]:
    if is_sqlite:
        with tempfile.TemporaryDirectory(prefix="keyway-fuzz-") as folder:
            yield f"sqlite:///{Path(folder, 'keyway.sqlite3')}"
    else:
        with PostgresServer() as server:
            yield server.url


def run(
    kinds: tuple[str, ...], *, examples: int, seed: int | None, is_brief: bool
) -> dict[str, Findings]:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from tests.fuzz_cast import presentations

    settings.ACCOUNT_RATE_LIMITS = False  # otherwise allauth would refuse nearly every sign-in
    call_command("migrate", verbosity=0)
    _prepare_schemathesis()
    cast: Mapping[str, Present] = presentations()
    found = {}
    for kind in kinds:
        began = time.monotonic()
        found[kind] = fuzz(cast.get(kind), examples=examples, seed=seed, is_brief=is_brief)
        found[kind].seconds = time.monotonic() - began
        print(summary(kind, found[kind]), flush=True)
    return found


def summary(kind: str, found: Findings) -> str:
    statuses = ", ".join(f"{status} ×{count:,}" for status, count in sorted(found.statuses.items()))
    sent = (
        f"{found.requests.total():,} to {len(found.requests)} operations in {found.seconds:.0f} s"
    )
    lines = [
        f"{kind}: {f'{len(found.failures)} FAILURES' if found.failures else 'no failures'}",
        f"  requests  {sent}",
        f"  statuses  {statuses}",
        f"  checks    {found.checks.total():,}, of {len(found.checks)} kinds",
        f"  accepted by {len(found.accepted)} operations: {', '.join(sorted(found.accepted))}",
        *(f"  set aside {count:,}: {reason}" for reason, count in sorted(found.set_aside.items())),
        *(f"  FAILED {what}\n{words}" for what, words in sorted(found.failures.items())),
    ]
    return "\n".join(lines)


def table(found: Mapping[str, Findings]) -> str:
    """The whole run as the table of docs/fuzzing.md."""
    rows = [
        f"| {kind} | {each.requests.total():,} | {each.checks.total():,} "
        f"| {each.set_aside.total():,} | {len(each.failures)} |"
        for kind, each in found.items()
    ]
    return "\n".join(
        ["| kind | requests | checks | set aside | failures |", "|---|---:|---:|---:|---:|", *rows]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--examples", type=int, default=500, help="per operation and generating phase"
    )
    parser.add_argument("--seed", type=int, help="make the run reproducible")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        action="append",
        help="only this kind of credential (repeatable)",
    )
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument(
        "--brief", action="store_true", help="skip the coverage and stateful phases"
    )
    chosen = parser.parse_args()
    with throwaway_database(is_sqlite=chosen.sqlite) as url:
        os.environ |= QUIET | {"KEYWAY_TEST_DATABASE_URL": url}
        found = run(
            tuple(chosen.kind or KINDS),
            examples=chosen.examples,
            seed=chosen.seed,
            is_brief=chosen.brief,
        )
    print(table(found))
    return 1 if any(each.failures for each in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
