"""No secret is stronger than its issuer, and no key is stronger than its owner's role."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys import networks, scopes
from apikeys import services as keys
from apikeys.authority import Authority
from apikeys.errors import ScopeNotGrantable, StrongerThanIssuer
from apikeys.models import Key
from apikeys.services import Issued
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, authorize, verify
from config.lib.environment import Environment
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import PERMISSIONS, Role
from tests.conftest import SYSTEM, IssueKey, join, membership_of

pytestmark = pytest.mark.django_db
SOON, LATER = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
WHOLE = Authority(frozenset({"a", "b"}), frozenset({"live", "test"}))


@pytest.fixture
def olivia(acme: Organization) -> User:
    return join(acme, "olivia", Role.OWNER)


def authority(
    names: str = "a", environments: str = "live", expires_at: datetime | None = None, *cidrs: str
) -> Authority:
    return Authority(
        frozenset(names), frozenset(environments.split()), expires_at, networks.parse(cidrs)
    )


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (authority("a"), authority("ab")),
        (authority(environments="live"), authority(environments="live test")),
        (authority(expires_at=SOON), authority(expires_at=LATER)),
        (authority(expires_at=SOON), authority(expires_at=None)),
        (
            authority("a", "live", None, "192.0.2.0/25"),
            authority("a", "live", None, "192.0.2.0/24"),
        ),
        (authority("a", "live", None, "192.0.2.0/24"), authority("a", "live", None)),
    ],
)
def test_authority_covers_less_and_never_more(less: Authority, more: Authority) -> None:
    assert more.covers(less)
    assert not less.covers(more)
    more.require_covers(less)
    with pytest.raises((ScopeNotGrantable, StrongerThanIssuer)):
        less.require_covers(more)


@pytest.mark.parametrize(
    ("role", "held", "not_held"),
    [
        (
            Role.OWNER,
            {"admin", "read:logs", "manage:api-keys", "write:agent-events"},
            {"read:alerts"},
        ),
        (
            Role.ADMIN,
            {"read:logs", "write:policies", "write:agent-events"},
            {"admin", "read:reports"},
        ),
        (
            Role.MEMBER,
            {"read:audit-activity", "read:databases", "manage:api-keys"},
            {"admin", "read:logs", "write:agent-events"},
        ),
        (Role.AUDITOR, set(), {"read:audit-activity", "read:logs", "manage:api-keys"}),
    ],
)
def test_role_holds_what_its_permissions_allow(
    role: Role, held: set[str], not_held: set[str]
) -> None:
    assert held <= scopes.held_by(role)
    assert not not_held & scopes.held_by(role)


def test_operator_scope_may_name_its_permission(
    settings: Settings,
) -> None:
    scope = {
        "name": "invoices:read",
        "title": "Invoices",
        "description": "x",
        "permission": "manage_agents",
    }
    settings.KEYWAY_SCOPES = [scope]
    assert "invoices:read" in scopes.held_by(Role.ADMIN)
    assert "invoices:read" not in scopes.held_by(Role.MEMBER)
    settings.KEYWAY_SCOPES = [scope | {"permission": "everything"}]
    with pytest.raises(ValueError, match="permission"):
        scopes.registry()


def test_only_an_owner_grants_admin(olivia: User, alice: User, issue_public_key: IssueKey) -> None:
    assert issue_public_key(owner=olivia, scopes=("admin",)).key.scopes == ["admin"]
    with pytest.raises(ScopeNotGrantable):
        issue_public_key(owner=alice, scopes=("admin",))
    assert not Key.objects.filter(owner__user=alice).exists()


def resolve(issued: Issued, address: str = "") -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=timezone.now(), address=address)


def accepted(issued: Issued) -> Credential:
    credential = resolve(issued)
    assert isinstance(credential, Credential)
    return credential


def test_admin_covers_public_scopes_only(olivia: User, issue_public_key: IssueKey) -> None:
    credential = accepted(issue_public_key(owner=olivia, scopes=("admin",)))
    for scope in ("read:audit-activity", "write:policies", "manage:api-keys"):
        assert authorize(credential, scope=scope) is None
    refused = authorize(credential, scope="write:agent-events")
    assert refused
    assert refused.reason is Reason.INSUFFICIENT_SCOPE
    assert authorize(accepted(issue_public_key()), scope="write:policies")


def test_role_change_narrows_and_restores_key_scopes(
    olivia: User, alice: User, issue_public_key: IssueKey
) -> None:
    strong = issue_public_key(owner=olivia, scopes=("admin", "read:audit-activity"))
    bystander = issue_public_key(owner=alice, scopes=("read:logs",))
    assert accepted(strong).scopes == {"admin", "read:audit-activity"}
    membership = membership_of(olivia)
    steps: list[tuple[Role, set[str]]] = [
        (Role.MEMBER, {"read:audit-activity"}),
        (Role.AUDITOR, set()),
        (Role.OWNER, set(strong.key.scopes)),
    ]
    for role, left in steps:
        tenants.change_role(membership=membership, role=role, by=SYSTEM)
        assert accepted(strong).scopes == left
    assert accepted(bystander).scopes == {"read:logs"}


def test_role_and_networks_cost_no_further_query(
    issue_public_key: IssueKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    issued = issue_public_key(allowed=networks.parse(["192.0.2.0/24"]))
    with django_assert_num_queries(1):
        assert isinstance(resolve(issued, "192.0.2.1"), Credential)


def test_secret_outside_its_networks_is_refused(
    issue_public_key: IssueKey, public_key: Issued
) -> None:
    issued = issue_public_key(allowed=networks.parse(["192.0.2.0/24"]))
    assert isinstance(resolve(issued, "::ffff:192.0.2.1"), Credential)
    for address in ("198.51.100.1", "2001:db8::1", ""):
        assert resolve(issued, address) == Denial(Reason.IP_NOT_ALLOWED)
    assert isinstance(resolve(public_key, "198.51.100.1"), Credential)
    keys.revoke(key=issued.key, by=SYSTEM)
    assert resolve(issued, "198.51.100.1") == Denial(Reason.REVOKED_KEY)


MEMBER = Authority.of_person(PERMISSIONS[Role.MEMBER])


def test_issuer_of_agent_keys_holds_their_scopes(
    acme: Organization, olivia: User, issue_public_key: IssueKey
) -> None:
    order = keys.Order("agent", environment=Environment.LIVE)
    admin = accepted(issue_public_key(owner=olivia, scopes=("admin",))).authority
    issued = keys.issue_agent_key(
        organization=acme, order=order, by=SYSTEM, created_by=None, within=admin
    )
    assert accepted(issued).scopes == scopes.agent_scopes()
    for weaker in (
        MEMBER,
        accepted(issue_public_key(owner=olivia, scopes=("manage:api-keys",))).authority,
    ):
        with pytest.raises(ScopeNotGrantable):
            keys.issue_agent_key(
                organization=acme, order=order, by=SYSTEM, created_by=None, within=weaker
            )


@pytest.mark.parametrize(
    "order",
    [
        {"environment": "test"},
        {"expires_at": timezone.now() + timedelta(days=20)},
        {"expires_at": None},
        {"allowed": ()},
        {"allowed": networks.parse(["192.0.0.0/16"])},
    ],
)
def test_issued_key_stays_within_its_issuer(order: dict[str, object], bob: User) -> None:
    expires_at = timezone.now() + timedelta(days=10)
    within = Authority.of_key(
        ["read:audit-activity"], "live", expires_at, networks.parse(["192.0.2.0/24"])
    )
    good = {"expires_at": expires_at, "allowed": networks.parse(["192.0.2.0/25"])}

    def issue(**order: object) -> Issued:
        wanted = keys.Order("child", **order)  # type: ignore[arg-type]
        owner = membership_of(bob)
        return keys.issue_public_key(
            owner=owner, order=wanted, scopes=["read:audit-activity"], by=SYSTEM, within=within
        )

    assert issue(**good)
    with pytest.raises(StrongerThanIssuer):
        issue(**good | order)
    assert Key.objects.count() == 1
