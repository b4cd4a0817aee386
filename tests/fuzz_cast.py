"""Who fuzzes: each kind of credential, made anew as soon as an example has ended it."""

from collections.abc import Callable

from django.utils import timezone

from apikeys import scopes
from apikeys import services as keys
from apikeys.kind import Kind
from apikeys.oauth.verification import verify as verify_token
from apikeys.services import Issued, Order
from apikeys.verification import Credential, verify
from audit.errors import KeywayError
from tenants import services as tenants
from tenants.access import actor
from tenants.models import Organization, User
from tenants.roles import Role
from tenants.tokens import services as tokens
from tests.apikeys.oauth.flow import service_of
from tests.conftest import SYSTEM, join, membership_of
from tests.tenants.tokens.forge import signed_in

Present = Callable[[], dict[str, str]]


def presentations() -> dict[str, Present]:
    acme = tenants.create_organization(name="Acme", slug="acme", by=SYSTEM)
    alice = join(acme, "alice", Role.ADMIN)
    held = scopes.held_by(Role.ADMIN)
    active = [scope.name for scope in scopes.of_kind(Kind.PUBLIC) if scope.is_grantable and scope.name in held]
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
    }


def _agent_key(organization: Organization, by: User) -> Issued:
    return keys.issue_agent_key(organization=organization, order=Order(name="Agent"), by=actor(by), created_by=by)


def _public_key(owner: User, granted: list[str]) -> Issued:
    return keys.issue_public_key(owner=membership_of(owner), order=Order(name="Script"), scopes=granted, by=actor(owner))


def _with_key(issue: Callable[[], Issued]) -> Present:
    def is_good(plaintext: str) -> bool:
        return isinstance(verify(plaintext, now=timezone.now()), Credential)

    def make() -> str:
        return issue().plaintext.reveal()

    renewed = _renewing(make, is_good)
    return lambda: {"X-API-Key": renewed()}


def _with_token(make: Callable[[], str], is_good: Callable[[str], bool]) -> Present:
    renewed = _renewing(make, is_good)
    return lambda: {"Authorization": f"Bearer {renewed()}"}


def _is_accepted(token: str) -> bool:
    try:
        tokens.authenticate(token, at=timezone.now())
    except KeywayError:
        return False
    return True


def _renewing(make: Callable[[], str], is_good: Callable[[str], bool]) -> Callable[[], str]:
    held: list[str] = []

    def present() -> str:
        if not held or not is_good(held[0]):
            held[:] = [make()]
        return held[0]

    return present
