"""Administration → Organizations: platform staff create, rename, suspend and resume."""

from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.services import Issued
from apikeys.services.callers import Caller
from audit.models import TrailEntry
from tenants.access import Reach
from tenants.models import Membership, Organization, User
from tenants.roles import Permission, Role
from tests.conftest import api, client_of
from tests.pages import grow_old

pytestmark = pytest.mark.django_db
PAGE = "/administration/organizations/"
NEW = {"name": "Initech", "slug": "initech", "owner": "Peter@Initech.example"}
WHOAMI = "/api/v1/whoami"


def actions() -> list[str]:
    found = TrailEntry.objects.filter(action__startswith="organization.").order_by("occurred_at")
    return [entry.action for entry in found if entry.actor_kind == "user"]


def many(count: int) -> None:
    Organization.objects.bulk_create(
        Organization(name=f"Tenant {number:05}", slug=f"tenant-{number:05}")
        for number in range(count)
    )


def test_staff_create_an_organization_with_its_first_owner(staff: User) -> None:
    page = client_of(staff).post(f"{PAGE}new/", NEW, follow=True).content.decode()
    assert "Created Initech, and sent peter@initech.example an email." in page
    owner = Membership.objects.get(organization__slug="initech")
    assert (owner.user.email, owner.role) == ("peter@initech.example", Role.OWNER)
    [message] = mail.outbox
    assert message.to == ["peter@initech.example"]
    assert message.subject == "[Keyway] Staff added you to Initech on Keyway"
    assert actions() == ["organization.created"]
    assert TrailEntry.objects.get(action="organization.created").actor_id == staff.public_id


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "acme"}, "slug"),
        ({"slug": "Initech"}, "slug"),
        ({"slug": "in_itech"}, "slug"),
        ({"slug": "a/b"}, "slug"),
        ({"name": "Init\u202eech"}, "name"),
        ({"owner": "nobody"}, "owner"),
    ],
)
def test_refused_organization_leaves_nothing(
    staff: User, acme: Organization, change: dict[str, str], field: str
) -> None:
    client = client_of(staff)
    response: Any = client.post(f"{PAGE}new/", NEW | change)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert list(Organization.objects.all()) == [acme]
    assert not User.objects.filter(email__icontains="initech").exists()
    assert not mail.outbox
    assert actions() == []
    assert client.post(f"{PAGE}new/", NEW).status_code == 302


def test_rename_changes_the_name_and_is_trailed_once(
    staff: User, acme: Organization, globex: Organization
) -> None:
    client = client_of(staff)
    for _ in range(2):
        client.post(f"{PAGE}acme/rename/", {"name": "Acme Ltd"})
    acme.refresh_from_db()
    assert (acme.name, acme.slug) == ("Acme Ltd", "acme")
    entry = TrailEntry.objects.get(action="organization.renamed")
    assert '"data":{"from":"Acme","to":"Acme Ltd"}' in entry.body
    assert entry.organization_id == acme.pk
    globex.refresh_from_db()
    assert globex.name == "Globex"


def test_suspension_denies_keys_until_resumed(
    staff: User, public_key: Issued, globex_public_key: Issued
) -> None:
    client, key, bystander = client_of(staff), api(public_key), api(globex_public_key)
    assert key.get(WHOAMI).status_code == 200
    assert "stop working immediately" in client.get(f"{PAGE}acme/suspend/").content.decode()
    assert key.get(WHOAMI).status_code == 200
    client.post(f"{PAGE}acme/suspend/")
    assert key.get(WHOAMI).json()["code"] == "organization_suspended"
    assert bystander.get(WHOAMI).status_code == 200
    assert "Suspended" in client.get(PAGE, {"q": "acme"}).content.decode()
    client.post(f"{PAGE}acme/resume/")
    assert key.get(WHOAMI).status_code == 200
    assert actions() == ["organization.suspended", "organization.resumed"]


@pytest.mark.parametrize("path", ["new/", "acme/rename/", "acme/suspend/", "acme/resume/"])
def test_change_needs_a_recent_sign_in(staff: User, acme: Organization, path: str) -> None:
    client = client_of(staff)
    assert client.get(PAGE + path).status_code == 200
    grow_old(client, 600)
    for response in (client.get(PAGE + path), client.post(PAGE + path, NEW)):
        assert response.headers["Location"].startswith("/accounts/reauthenticate/")
    assert actions() == []


def test_owner_cannot_suspend_or_learn_of_organizations(alice: User, globex: Organization) -> None:
    Membership.objects.filter(user=alice).update(role=Role.OWNER)
    client = client_of(alice)
    answers = [
        client.post(f"{PAGE}{slug}/suspend/").content.decode()
        for slug in ("acme", "globex", "nowhere")
    ]
    assert len({answer.partition("<main")[2] for answer in answers}) == 1
    assert not Organization.objects.exclude(suspended_at=None).exists()


def test_search_finds_by_name_and_slug(
    staff: User, acme: Organization, globex: Organization
) -> None:
    client = client_of(staff)

    def found(query: str) -> set[str]:
        main = client.get(PAGE, {"q": query}).content.decode().partition("<main")[2]
        return {slug for slug in ("acme", "globex") if f"/o/{slug}/agents/" in main}

    assert found("") == {"acme", "globex"}
    assert found(" GLOB ") == found("globex") == {"globex"}
    assert found("acme\x00") == {"acme"}
    assert found("initech") == set()


def test_pages_of_staff_load_only_what_they_show(staff: User, acme: Organization) -> None:
    client = client_of(staff)
    pages = ("/administration/tenant-agents/", PAGE, "/o/acme/agents/", "/profile/")
    for page in pages:
        client.get(page)
    sizes = []
    for _ in range(2):
        many_more = Organization.objects.count()
        Organization.objects.bulk_create(
            Organization(name=f"Tenant {many_more + n}", slug=f"tenant-{many_more + n}")
            for n in range(300)
        )
        with CaptureQueriesContext(connection) as queries:
            bodies = [len(client.get(page).content) for page in pages]
        sizes.append((len(queries), [body // 1000 for body in bodies]))
    assert sizes[0] == sizes[1]


def test_switcher_of_staff_searches_without_javascript(staff: User, acme: Organization) -> None:
    many(30)
    html = client_of(staff).get("/o/acme/agents/").content.decode()
    switcher = html.partition('class="menu switcher"')[2].partition("</details>")[0]
    assert 'action="/administration/organizations/"' in switcher
    assert 'name="q"' in switcher
    assert "tenant-00001" not in switcher


def test_search_in_the_switcher_is_for_staff_only(alice: User) -> None:
    html = client_of(alice).get("/o/acme/").content.decode()
    assert "/administration/organizations/" not in html


def test_staff_reach_is_looked_up_and_not_loaded(staff: User, acme: Organization) -> None:
    many(50)
    reach = Reach.of(staff)
    assert dict(reach.places) == {}
    place = reach.get(acme.pk)
    assert place
    assert place.may(Permission.MANAGE_AGENTS)
    assert reach.where(Permission.READ_AGENTS).count() == 51
    assert reach.where(Permission.READ_MEMBERS).count() == 0
    Organization.objects.filter(pk=acme.pk).update(suspended_at=timezone.now())
    assert reach.where(Permission.READ_AGENTS).count() == 51
    assert reach.where(Permission.MANAGE_AGENTS).count() == 50


def test_reach_of_others_ends_at_their_memberships(
    alice: User, globex: Organization, staff: User
) -> None:
    assert [place.organization.slug for place in Reach.of(alice).places.values()] == ["acme"]
    assert Reach.of(alice).get(globex.pk) is None
    assert Reach.of(alice).into([globex]) == []
    assert not Caller.person(alice).reach.where(Permission.READ_AGENTS).filter(slug="globex")
    staff.is_active = False
    assert Reach.of(staff).get(globex.pk) is None


def test_staff_key_reaches_only_its_own_organization(
    alice: User, public_key: Issued, globex: Organization
) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    alice.refresh_from_db()
    own = Membership.objects.get(user=alice).organization
    assert Reach.of(alice).get(globex.pk)
    assert Reach.of(alice).only(own.pk).get(globex.pk) is None
    assert Reach.of(alice).only(globex.pk).get(globex.pk) is None
    assert [*Reach.of(alice).only(own.pk).where(Permission.READ_AGENTS)] == [own]


def test_pages_need_staff(alice: User) -> None:
    assert Client().get(PAGE).status_code == 302
    assert client_of(alice).get(PAGE).status_code == 403
