import pytest
from django.contrib.auth import authenticate

from audit.models import TrailEntry
from tenants import services as tenants
from tenants.errors import AlreadyMember, LastAdmin
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tests.conftest import PASSWORD, SYSTEM, membership_of

pytestmark = pytest.mark.django_db


def test_last_admin_cannot_leave_or_be_demoted(alice: User, bob: User) -> None:
    admin = membership_of(alice)
    for change in (tenants.deactivate_member, tenants.remove_member):
        with pytest.raises(LastAdmin):
            change(membership=admin, by=SYSTEM)
    with pytest.raises(LastAdmin):
        tenants.change_role(membership=admin, role=Role.MEMBER, by=SYSTEM)
    tenants.change_role(membership=membership_of(bob), role=Role.OWNER, by=SYSTEM)
    tenants.remove_member(membership=admin, by=SYSTEM)
    assert Membership.objects.active().filter(user=alice).count() == 0


def test_deactivated_admin_does_not_count(alice: User, bob: User) -> None:
    tenants.change_role(membership=membership_of(bob), role=Role.ADMIN, by=SYSTEM)
    tenants.deactivate_member(membership=membership_of(bob), by=SYSTEM)
    with pytest.raises(LastAdmin):
        tenants.remove_member(membership=membership_of(alice), by=SYSTEM)


def test_removed_member_can_be_added_again(alice: User, bob: User, acme: Organization) -> None:
    with pytest.raises(AlreadyMember):
        tenants.add_member(organization=acme, user=bob, role=Role.ADMIN, by=SYSTEM)
    old = membership_of(bob)
    tenants.remove_member(membership=old, by=SYSTEM)
    new = tenants.add_member(organization=acme, user=bob, role=Role.AUDITOR, by=SYSTEM)
    assert new.pk != old.pk


def test_no_op_change_is_not_trailed(alice: User, bob: User, acme: Organization) -> None:
    tenants.deactivate_member(membership=membership_of(bob), by=SYSTEM)
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    before = TrailEntry.objects.count()
    tenants.deactivate_member(membership=membership_of(bob), by=SYSTEM)
    tenants.change_role(membership=membership_of(bob), role=Role.MEMBER, by=SYSTEM)
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    assert TrailEntry.objects.count() == before


def test_deactivated_user_cannot_sign_in(bob: User) -> None:
    assert authenticate(email=bob.email, password=PASSWORD) == bob
    tenants.deactivate_user(user=bob, by=SYSTEM)
    assert authenticate(email=bob.email, password=PASSWORD) is None
