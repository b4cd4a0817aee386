"""The credentials that fuzzing presents. Each is replaced as soon as an example has ended it."""

import base64
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection
from django.utils import timezone

from apikeys import scopes
from apikeys import services as keys
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.oauth.verification import verify as verify_token
from apikeys.services import Issued, Order
from apikeys.verify.judge import Credential, verify
from config.lib.errors import KeywayError
from tenants import services as tenants
from tenants.access import actor
from tenants.models import Organization, User
from tenants.roles import Role
from tenants.sign_in.tokens import services as tokens
from tests.apikeys.oauth.flow import Program, service_of
from tests.conftest import SYSTEM, client_of, join, membership_of
from tests.tenants.tokens.forge import signed_in

# Shorter than the time after which a sign-in is no longer recent.
SESSION_SECONDS = 240
ID = re.compile(r"key_[0-9a-z]{26}")


@dataclass(frozen=True)
class Presented:
    headers: dict[str, str]
    cookies: dict[str, str] = field(default_factory=dict)


Present = Callable[[], Presented]


def presentations() -> dict[str, Present]:
    acme = tenants.create_organization(name="Acme", slug="acme", by=SYSTEM)
    alice = join(acme, "alice", Role.ADMIN)
    held = scopes.held_by(Role.ADMIN)
    active = [
        scope.name
        for scope in scopes.of_kind(Kind.PUBLIC)
        if scope.is_grantable and scope.name in held
    ]
    reading = [name for name in active if name != scopes.MANAGE_API_KEYS]
    program = service_of(acme, alice, scopes.READ_AUDIT_ACTIVITY)
    return {
        "agent key": _with_key(lambda: _agent_key(acme, alice)),
        "public key": _with_key(lambda: _public_key(alice, reading)),
        "managing key": _with_key(lambda: _public_key(alice, active)),
        "user token": _with_token(lambda: signed_in(alice).access, _is_accepted),
        "application": _with_token(
            lambda: str(program.own_token().json()["access_token"]),
            lambda token: isinstance(verify_token(token, now=timezone.now()), Credential),
        ),
        "browser session": _with_session(alice),
        "client secret": lambda: Presented({"Authorization": f"Basic {_basic(program)}"}),
        "metrics token": lambda: Presented(
            {"Authorization": f"Bearer {settings.KEYWAY_METRICS_TOKEN}"}
        ),
    }


def _basic(program: Program) -> str:
    return base64.b64encode(f"{program.application.client_id}:{program.secret}".encode()).decode()


def _with_session(user: User) -> Present:
    """A browser session with a recent sign-in, and its CSRF token."""
    token, signed_in_at = "f" * 32, 0.0

    def make() -> str:
        nonlocal signed_in_at
        signed_in_at = time.monotonic()
        return client_of(user).cookies[settings.SESSION_COOKIE_NAME].value

    renewed = _renewing(make, lambda _: time.monotonic() < signed_in_at + SESSION_SECONDS)

    def present() -> Presented:
        cookies = {settings.SESSION_COOKIE_NAME: renewed(), settings.CSRF_COOKIE_NAME: token}
        return Presented({"X-CSRFToken": token}, cookies)

    return present


def _agent_key(organization: Organization, by: User) -> Issued:
    return keys.issue_agent_key(
        organization=organization, order=Order(name="Agent"), by=actor(by), created_by=by
    )


def _public_key(owner: User, granted: list[str]) -> Issued:
    return keys.issue_public_key(
        owner=membership_of(owner), order=Order(name="Script"), scopes=granted, by=actor(owner)
    )


def existing_id(made_up: str) -> str:
    """Replace a well-formed id by that of a random key, three times out of four."""
    if not ID.fullmatch(made_up) or random.random() < 0.25:
        return made_up
    key = Key.objects.order_by("?").first()
    connection.close()
    return key.public_id if key else made_up


def _with_key(issue: Callable[[], Issued]) -> Present:
    def is_good(plaintext: str) -> bool:
        return isinstance(verify(plaintext, now=timezone.now()), Credential)

    def make() -> str:
        return issue().plaintext.reveal()

    renewed = _renewing(make, is_good)
    return lambda: Presented({"X-API-Key": renewed()})


def _with_token(make: Callable[[], str], is_good: Callable[[str], bool]) -> Present:
    renewed = _renewing(make, is_good)
    return lambda: Presented({"Authorization": f"Bearer {renewed()}"})


def _is_accepted(token: str) -> bool:
    try:
        tokens.authenticate(token, at=timezone.now())
    except KeywayError:
        return False
    return True


def _renewing(make: Callable[[], str], is_good: Callable[[str], bool]) -> Callable[[], str]:
    """Return a function that returns a credential and replaces it once it is no longer good."""
    current: list[str] = []

    def present() -> str:
        if not current or not is_good(current[0]):
            current[:] = [make()]
        # This thread makes no request, so Django would not return its connection to the pool.
        connection.close()
        return current[0]

    return present
