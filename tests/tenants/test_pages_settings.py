"""Settings → General: who may change the name of an organization."""

import pytest

from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.conftest import SYSTEM, client_of, join

pytestmark = pytest.mark.django_db
PAGE = "/o/acme/settings/"


def test_admin_renames_the_organization(
    acme: Organization, globex: Organization, alice: User
) -> None:
    client = client_of(alice)
    assert client.post(PAGE, {"name": "  Acme Corporation "})["Location"] == PAGE
    acme.refresh_from_db()
    globex.refresh_from_db()
    assert (acme.name, acme.slug, globex.name) == ("Acme Corporation", "acme", "Globex")
    entry = TrailEntry.objects.get(action="organization.renamed")
    assert entry.actor_name == alice.email
    assert "Acme Corporation" in entry.body
    assert (
        client_of(join(acme, "olivia", Role.OWNER)).post(PAGE, {"name": "Acme"}).status_code == 302
    )


@pytest.mark.parametrize("name", ["", " ", "x" * 256, "a\0b", "a\u202eb"])
def test_invalid_name_is_refused(acme: Organization, alice: User, name: str) -> None:
    assert client_of(alice).post(PAGE, {"name": name}).status_code == 422
    acme.refresh_from_db()
    assert acme.name == "Acme"
    assert not TrailEntry.objects.filter(action="organization.renamed").exists()


def test_others_read_the_name_and_cannot_change_it(
    acme: Organization, bob: User, carol: User, mallory: User
) -> None:
    for user in (bob, carol):
        client = client_of(user)
        html = client.get(PAGE).content.decode()
        assert acme.public_id in html
        assert 'name="name"' not in html
        assert client.post(PAGE, {"name": "Mine"}).status_code == 403
    assert client_of(mallory).post(PAGE, {"name": "Mine"}).status_code == 404
    acme.refresh_from_db()
    assert acme.name == "Acme"


def test_suspended_organization_keeps_its_name(acme: Organization, alice: User) -> None:
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    assert client_of(alice).post(PAGE, {"name": "New"}).status_code == 403


def test_tabs_mark_the_current_page(alice: User, bob: User) -> None:
    for user in (alice, bob):
        html = client_of(user).get(PAGE).content.decode()
        assert 'href="/o/acme/settings/" aria-current="page">General' in html
        assert 'href="/o/acme/settings/api-keys/">API Keys' in html
