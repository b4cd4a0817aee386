"""Shared fixtures: alice (admin), bob (member) and carol (auditor) at Acme, mallory at Globex.

mallory is an admin of another organization, so everything she tries at Acme must fail.
"""

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils import timezone
from rest_framework.test import APIClient

from apikeys import services as keys
from apikeys.guards import GUARDS as KEY_GUARDS
from apikeys.guards import REQUEST_GUARDS
from apikeys.models import KeyRequest, Webhook
from apikeys.notices import deliveries, webhooks
from apikeys.oauth import services as applications
from apikeys.oauth.models import Application, Purpose
from apikeys.oauth.services import Draft
from apikeys.services import Issued, Order, hand_over
from apikeys.verify.throttling import recently_refused
from audit.models import ActivityEvent
from audit.outbox import store as outbox
from audit.trail.actor import Actor
from audit.trail.guards import GUARDS as TRAIL_GUARDS
from config.lib.environment import Environment
from config.lib.ids import encode, uuid7
from config.lib.limits import limiter
from tenants import services as tenants
from tenants.access import actor
from tenants.agents import services as agents
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tenants.sign_in.sso.services import claim_domain
from tenants.sign_in.tokens import services as tokens
from tenants.sign_in.tokens.services import Origin
from tests.browser.visitor import chromium
from tests.ci_retry import pytest_runtest_protocol, pytest_terminal_summary  # noqa: F401  hooks
from tests.clients.node import programs
from tests.servers.keyway import KeywayServer

PASSWORD = "correct horse battery staple"
SYSTEM = Actor.system("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases",
        type=int,
        metavar="N",
        help="run only N cases of each parametrized test, different ones for each seed",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that use a browser.

    They run in a process of their own, because the browser driver leaves an event loop running.
    """
    for item in items:
        if isinstance(item, pytest.Function) and "playwright" in item.fixturenames:
            item.add_marker("browser")
    if most := config.getoption("cases"):
        _limit_cases(config, items, most)


def pytest_collection_finish() -> None:
    """Exclude all imported modules from garbage collection, because they are never freed."""
    gc.freeze()


def _limit_cases(config: pytest.Config, items: list[pytest.Item], most: int) -> None:
    """Keep the first `most` cases of each test function.

    pytest-randomly has shuffled them, in the same order in every process of a run.
    """
    seen: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    deselected: list[pytest.Item] = []
    for item in items:
        function = item.nodeid.partition("[")[0]
        seen[function] += 1
        (kept if seen[function] <= most else deselected).append(item)
    config.hook.pytest_deselected(items=deselected)
    items[:] = kept


@pytest.fixture(autouse=True, scope="session")
def _guards_let_tests_flush() -> Iterator[None]:
    """Drop the guards while a transactional test empties every table, which they would refuse."""
    case: Any = TransactionTestCase  # the stubs leave the method out
    teardown = case._fixture_teardown

    def lifted(self: TransactionTestCase) -> None:
        guards = (*TRAIL_GUARDS, *KEY_GUARDS, *REQUEST_GUARDS)
        with connection.schema_editor(atomic=False) as editor:
            for statement in (s for guard in guards for s in guard.drop(connection.vendor)):
                editor.execute(statement)
        try:
            teardown(self)
        finally:
            with connection.schema_editor(atomic=False) as editor:
                for statement in (s for guard in guards for s in guard.create(connection.vendor)):
                    editor.execute(statement)

    # TestCase has its own teardown, which rolls back.
    case._fixture_teardown = lifted
    yield
    case._fixture_teardown = teardown


@pytest.fixture(autouse=True)
def _limits_are_counted_from_zero() -> None:
    """Reset all limits, because every test's clients share one address."""
    cache.clear()
    limiter.forget()
    recently_refused.clear()


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Stop Django's clock, so that no hour or day ends between two steps of a test."""
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    return now


@pytest.fixture
def acme(db: None) -> Organization:
    return tenants.create_organization(name="Acme", slug="acme", by=SYSTEM)


@pytest.fixture
def globex(db: None) -> Organization:
    return tenants.create_organization(name="Globex", slug="globex", by=SYSTEM)


def join(organization: Organization, name: str, role: Role) -> User:
    user = User.objects.create_user(
        f"{name}@{organization.slug}.example", PASSWORD, name=name.title()
    )
    tenants.add_member(organization=organization, user=user, role=role, by=SYSTEM)
    return user


@pytest.fixture
def alice(acme: Organization) -> User:
    return join(acme, "alice", Role.ADMIN)


@pytest.fixture
def bob(acme: Organization) -> User:
    return join(acme, "bob", Role.MEMBER)


@pytest.fixture
def carol(acme: Organization) -> User:
    return join(acme, "carol", Role.AUDITOR)


@pytest.fixture
def mallory(globex: Organization) -> User:
    return join(globex, "mallory", Role.ADMIN)


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser("staff@keyway.example", PASSWORD, name="Staff")


def membership_of(user: User) -> Membership:
    return Membership.objects.present().select_related("organization", "user").get(user=user)


IssueKey = Callable[..., Issued]


@pytest.fixture
def issue_agent_key(acme: Organization, alice: User) -> IssueKey:
    """Issue an agent key at Acme: ``issue_agent_key(name="…", environment=…, expires_at=…)``."""

    def issue(organization: Organization = acme, created_by: User = alice, **order: Any) -> Issued:
        order = {"name": "Production SQL 01 Agent"} | order
        return keys.issue_agent_key(
            organization=organization,
            order=Order(**order),
            by=actor(created_by),
            created_by=created_by,
        )

    return issue


@pytest.fixture
def issue_public_key(bob: User) -> IssueKey:
    """Issue a public key, to bob by default: ``issue_public_key(owner=…, scopes=[…])``."""

    def issue(
        owner: User = bob, scopes: tuple[str, ...] = ("read:audit-activity",), **order: Any
    ) -> Issued:
        order = {"name": "SIEM Integration"} | order
        return keys.issue_public_key(
            owner=membership_of(owner), order=Order(**order), scopes=scopes, by=actor(owner)
        )

    return issue


@pytest.fixture
def agent_key(issue_agent_key: IssueKey) -> Issued:
    return issue_agent_key()


@pytest.fixture
def test_agent_key(issue_agent_key: IssueKey) -> Issued:
    return issue_agent_key(name="Staging agent", environment=Environment.TEST)


@pytest.fixture
def public_key(issue_public_key: IssueKey) -> Issued:
    return issue_public_key()


@pytest.fixture
def globex_agent_key(globex: Organization, mallory: User, issue_agent_key: IssueKey) -> Issued:
    return issue_agent_key(organization=globex, created_by=mallory, name="Globex agent")


@pytest.fixture
def globex_public_key(mallory: User, issue_public_key: IssueKey) -> Issued:
    return issue_public_key(owner=mallory, name="Globex script")


Loot = dict[str, list[str]]


@pytest.fixture
def loot(
    acme: Organization,
    bob: User,
    carol: User,
    issue_agent_key: IssueKey,
    issue_public_key: IssueKey,
) -> Loot:
    """Return the ids of everything Acme has, by URL parameter."""
    agent_key, script = issue_agent_key(name="Acme agent"), issue_public_key(name="Acme script")
    offer = hand_over.offer(
        key=script.key, receiver=None, overlap=timedelta(0), by=SYSTEM, offered_by=bob
    )
    outbox.put(kind="email", recipient=bob.email, subject="Reset", payload=b"acme_reset_link")
    webhook = _webhook_of(acme, bob)
    presence = agents.Presence(acme.pk, "live", agent_key.key.pk, timezone.now(), SYSTEM)
    agent = agents.heartbeat(
        presence, host="sql-acme-77", version="1", configuration_version=1, queue_depth=0
    )
    tokens.sign_in(user=bob, origin=Origin("192.0.2.7", "acme-ledger-import/2"), at=timezone.now())
    client_of(bob)
    return {
        "slug": ["acme"],
        "organization_id": [acme.public_id],
        "key_id": [agent_key.key.public_id, script.key.public_id],
        "request_id": [_request_of(acme, bob, carol).public_id],
        "secret_id": [agent_key.key.secrets.get().public_id, script.key.secrets.get().public_id],
        "membership_id": [membership_of(bob).public_id],
        "hand_over_id": [offer.public_id],
        "event_id": [encode("evt", _event_of(acme).event_id)],
        "agent_id": [agent.public_id],
        "application_id": [_application_of(acme, bob).public_id],
        "session_id": [str(UserSession.objects.filter(user=bob).latest("pk").pk)],
        "domain_id": [claim_domain(organization=acme, domain="acme.example", by=SYSTEM).public_id],
        "webhook_id": [webhook.public_id],
        "delivery_id": [deliveries.send_test(webhook).public_id],
        "family_id": [bob.token_families.get(user_agent="acme-ledger-import/2").public_id],
    }


def _application_of(organization: Organization, user: User) -> Application:
    draft = Draft(name="Acme ledger", purpose=Purpose.SERVICE, scopes=["read:audit-activity"])
    registered = applications.register(
        organization=organization, draft=draft, by=SYSTEM, created_by=user
    )
    return registered.application


def _webhook_of(organization: Organization, user: User) -> Webhook:
    added = webhooks.add(
        organization=organization,
        url="https://hooks.acme-siem.example/in",
        causes=["key.issued"],
        by=SYSTEM,
        created_by=user,
        idempotency_key="loot",
    )
    return added.webhook


def _request_of(organization: Organization, requester: User, approver: User) -> KeyRequest:
    return KeyRequest.objects.create(
        organization=organization,
        requester=requester,
        owner=membership_of(requester),
        name="Acme importer",
        scopes=["read:audit-activity"],
        approved_at=timezone.now(),
        answered_by=approver,
        lapses_at=timezone.now() + timedelta(days=7),
    )


def _event_of(organization: Organization) -> ActivityEvent:
    return ActivityEvent.objects.create(
        organization_id=organization.pk,
        environment="live",
        event_id=uuid7(),
        event_time=timezone.now(),
        received_at=timezone.now(),
        host="sql-acme-77",
        action_id="SL",
        succeeded=True,
        statement="SELECT acme_crown_jewels",
        digest=b"0" * 16,
    )


def api(issued: Issued | None = None, **headers: str) -> APIClient:
    """Return a client that presents the key. Server errors are responses, not exceptions."""
    client = APIClient(raise_request_exception=False)
    if issued is not None:
        headers["HTTP_X_API_KEY"] = issued.plaintext.reveal()
    client.credentials(**headers)
    return client


def client_of(user: User) -> Client:
    """Return a client that just signed in through the real sign-in page."""
    client = Client()
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert response.status_code == 302, response.content
    return client


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Use the system's Chromium without background requests, and as root without its sandbox."""
    quiet = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {"executable_path": chromium(), "args": [*quiet, *sandbox]}


@pytest.fixture(scope="session")
def keyway() -> Iterator[KeywayServer]:
    """Run a server with demo data, for tests that only read or that clean up after themselves."""
    with KeywayServer() as server:
        yield server


@pytest.fixture(scope="session")
def axios() -> Path:
    """Return a folder in which Node programs find the real axios."""
    return programs.installed(programs.HERE / "axios")
