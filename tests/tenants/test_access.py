import pytest

from tenants import services as tenants
from tenants.access import Reach, enter, everywhere
from tenants.errors import Forbidden, NoAccess
from tenants.models import Organization, User
from tenants.roles import PERMISSIONS, Permission, Role
from tests.conftest import SYSTEM, join, membership_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_role_table_decides_who_enters(
    role: Role, permission: Permission, acme: Organization
) -> None:
    user = join(acme, "somebody", role)
    if permission in PERMISSIONS[role]:
        assert enter(user, "acme", permission).organization == acme
    else:
        with pytest.raises(Forbidden):
            enter(user, "acme", permission)


def test_auditor_changes_nothing() -> None:
    assert all(permission.name.startswith("READ_") for permission in PERMISSIONS[Role.AUDITOR])


@pytest.mark.parametrize("permission", Permission)
def test_outsider_and_unknown_slug_look_alike(
    permission: Permission, acme: Organization, mallory: User
) -> None:
    assert enter(mallory, "globex", Permission.READ_TRAIL)
    for slug in ("acme", "nothing", "", "ACME", "acme/../globex"):
        with pytest.raises(NoAccess) as error:
            enter(mallory, slug, permission)
        assert error.value.detail == NoAccess.detail


def test_inactive_member_is_an_outsider(alice: User, bob: User, carol: User) -> None:
    assert enter(bob, "acme", Permission.READ_ACTIVITY)
    assert enter(carol, "acme", Permission.READ_TRAIL)
    tenants.deactivate_member(membership=membership_of(bob), by=SYSTEM)
    tenants.remove_member(membership=membership_of(carol), by=SYSTEM)
    for user in (bob, carol):
        with pytest.raises(NoAccess):
            enter(user, "acme", Permission.READ_ACTIVITY)
        assert everywhere(user) == []
    assert enter(alice, "acme", Permission.READ_ACTIVITY)


def test_disabled_account_enters_nowhere(alice: User, staff: User, acme: Organization) -> None:
    for user in (alice, staff):
        assert enter(user, "acme", Permission.MANAGE_AGENTS)
        user.is_active = False
        with pytest.raises(NoAccess):
            enter(user, "acme", Permission.MANAGE_AGENTS)


def test_staff_who_are_members_keep_their_role(alice: User) -> None:
    alice.is_staff = True
    assert enter(alice, "acme", Permission.MANAGE_MEMBERS).membership


def test_staff_manage_agents_and_read_no_data(
    staff: User, acme: Organization, globex: Organization
) -> None:
    assert enter(staff, "acme", Permission.MANAGE_AGENTS)
    assert everywhere(staff) == []
    assert set(Reach.of(staff).where(Permission.MANAGE_AGENTS)) == {acme, globex}
    for permission in set(Permission) - {Permission.MANAGE_AGENTS, Permission.READ_AGENTS}:
        with pytest.raises(Forbidden):
            enter(staff, "acme", permission)


def test_suspended_organization_is_read_only(alice: User, staff: User, acme: Organization) -> None:
    assert enter(alice, "acme", Permission.MANAGE_AGENTS)
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    assert enter(alice, "acme", Permission.READ_TRAIL)
    assert enter(staff, "acme", Permission.READ_AGENTS)
    for user in (alice, staff):
        with pytest.raises(Forbidden, match="suspended"):
            enter(user, "acme", Permission.MANAGE_AGENTS)
