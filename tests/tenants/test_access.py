import pytest

from tenants import services as tenants
from tenants.access import enter, everywhere
from tenants.errors import Forbidden, NoAccess
from tenants.models import Organization, User
from tenants.roles import PERMISSIONS, Permission, Role
from tests.conftest import SYSTEM, join, membership_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_the_door_opens_as_the_table_of_roles_says(
    role: Role, permission: Permission, acme: Organization
) -> None:
    user = join(acme, "somebody", role)
    if permission in PERMISSIONS[role]:
        assert enter(user, "acme", permission).organization == acme
    else:
        with pytest.raises(Forbidden):
            enter(user, "acme", permission)


def test_an_auditor_changes_nothing() -> None:
    assert all(permission.name.startswith("READ_") for permission in PERMISSIONS[Role.AUDITOR])


@pytest.mark.parametrize("permission", Permission)
def test_an_outsider_and_a_name_that_does_not_exist_are_answered_alike(
    permission: Permission, acme: Organization, mallory: User
) -> None:
    assert enter(mallory, "globex", Permission.READ_TRAIL)
    for slug in ("acme", "nothing", "", "ACME", "acme/../globex"):
        with pytest.raises(NoAccess) as error:
            enter(mallory, slug, permission)
        assert error.value.detail == NoAccess.detail


def test_a_deactivated_or_removed_member_is_an_outsider(
    alice: User, bob: User, carol: User
) -> None:
    assert enter(bob, "acme", Permission.READ_ACTIVITY)
    assert enter(carol, "acme", Permission.READ_TRAIL)
    tenants.deactivate_member(membership=membership_of(bob), by=SYSTEM)
    tenants.remove_member(membership=membership_of(carol), by=SYSTEM)
    for user in (bob, carol):
        with pytest.raises(NoAccess):
            enter(user, "acme", Permission.READ_ACTIVITY)
        assert everywhere(user) == []
    assert enter(alice, "acme", Permission.READ_ACTIVITY)


def test_staff_look_after_agents_everywhere_and_read_no_data(
    staff: User, acme: Organization, globex: Organization
) -> None:
    assert enter(staff, "acme", Permission.MANAGE_AGENTS)
    assert {place.organization.slug for place in everywhere(staff)} == {"acme", "globex"}
    for permission in set(Permission) - {Permission.MANAGE_AGENTS, Permission.READ_AGENTS}:
        with pytest.raises(Forbidden):
            enter(staff, "acme", permission)


def test_in_a_suspended_organization_everything_is_read_and_nothing_changed(
    alice: User, acme: Organization
) -> None:
    assert enter(alice, "acme", Permission.MANAGE_AGENTS)
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    assert enter(alice, "acme", Permission.READ_TRAIL)
    with pytest.raises(Forbidden, match="suspended"):
        enter(alice, "acme", Permission.MANAGE_AGENTS)
