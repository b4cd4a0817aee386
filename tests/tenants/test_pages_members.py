"""Administration → Members: which roles can change which members, and what happens to keys."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.models import Key
from apikeys.services import Issued
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tests.conftest import SYSTEM, IssueKey, client_of, join, membership_of
from tests.pages import tables_asked

pytestmark = pytest.mark.django_db
MEMBERS = "/o/acme/members/"
ADD = f"{MEMBERS}add/"
ACTIONS = ("role", "deactivate", "reactivate", "remove")


@pytest.fixture
def olga(acme: Organization) -> User:
    return join(acme, "olga", Role.OWNER)


def page(user: User, action: str, slug: str = "acme") -> str:
    return f"/o/{slug}/members/{membership_of(user).public_id}/{action}/"


def outcome(issued: Issued) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=timezone.now())


def role_of(user: User) -> str:
    return membership_of(user).role


def test_members_list_shows_role_status_and_keys(
    alice: User, bob: User, carol: User, public_key: Issued
) -> None:
    tenants.deactivate_member(membership=membership_of(carol), by=SYSTEM)
    past = {
        "created_at": timezone.now() - timedelta(days=2),
        "expires_at": timezone.now() - timedelta(days=1),
    }
    owned = {
        "owner": membership_of(bob),
        "organization": membership_of(bob).organization,
        "kind": "public",
        "scopes": ["x"],
    }
    Key.objects.create(name="Expired", **owned, **past)
    response = client_of(alice).get(MEMBERS)
    counts = {member.user: member.usable_keys for member in response.context["page"]}
    assert counts == {alice: 0, bob: 1, carol: 0}
    html = response.content.decode()
    assert html.count("Deactivated</span>") == 1
    assert html.count("You</span>") == 1


@pytest.mark.parametrize("action", ["deactivate", "remove"])
def test_ended_membership_denies_only_its_keys(
    alice: User, public_key: Issued, agent_key: Issued, issue_public_key: IssueKey, action: str
) -> None:
    bystander = issue_public_key(owner=alice)
    bob = User.objects.get(name="Bob")
    client = client_of(alice)
    assert "Their public key stops working" in client.get(page(bob, action)).content.decode()
    assert isinstance(outcome(public_key), Credential)
    assert client.post(page(bob, action))["Location"] == MEMBERS
    assert outcome(public_key) == Denial(Reason.OWNER_INACTIVE)
    assert isinstance(outcome(bystander), Credential)
    assert isinstance(outcome(agent_key), Credential)


@pytest.mark.parametrize("action", ["deactivate", "remove"])
def test_ending_a_membership_names_the_keys_that_stop(
    alice: User, bob: User, issue_public_key: IssueKey, action: str
) -> None:
    issue_public_key(name="Nightly export")
    issue_public_key(name="Expired", expires_at=timezone.now() + timedelta(seconds=1))
    Key.objects.filter(name="Expired").update(revoked_at=timezone.now())
    issue_public_key(owner=alice, name="Script of Alice")
    client = client_of(alice)
    html = client.get(page(bob, action)).content.decode()
    assert "Nightly export" in html
    assert "Expired" not in html
    assert "Script of Alice" not in html
    listed = f"/o/acme/settings/api-keys/?owner={bob.public_id}"
    assert listed in html
    assert [row.key.name for row in client.get(listed).context["listing"]] == ["Nightly export"]


def test_reactivated_member_regains_their_keys(alice: User, bob: User, public_key: Issued) -> None:
    client = client_of(alice)
    client.post(page(bob, "deactivate"))
    assert client_of(bob).get("/o/acme/").status_code == 404
    client.post(page(bob, "reactivate"))
    assert isinstance(outcome(public_key), Credential)
    assert client_of(bob).get("/o/acme/").status_code == 200


def test_role_change_is_trailed(alice: User, bob: User, carol: User) -> None:
    client = client_of(alice)
    assert 'value="member" id="id_role_1"' in client.get(page(bob, "role")).content.decode()
    assert client.post(page(bob, "role"), {"role": "admin"})["Location"] == MEMBERS
    assert (role_of(bob), role_of(carol)) == ("admin", "auditor")
    assert TrailEntry.objects.latest("sequence").actor_name == alice.email
    assert client.post(page(bob, "role"), {"role": "king"}).status_code == 422
    assert role_of(bob) == "admin"


def test_confirmation_page_changes_nothing(alice: User, bob: User) -> None:
    client = client_of(alice)
    before = list(Membership.objects.values())
    for action in ACTIONS:
        assert client.get(page(bob, action)).status_code == 200
    assert list(Membership.objects.values()) == before


def test_only_owners_change_or_make_owners(alice: User, bob: User, olga: User) -> None:
    admin, owner = client_of(alice), client_of(olga)
    for action in ACTIONS:
        assert admin.get(page(olga, action)).status_code == 403
        assert admin.post(page(olga, action), {"role": "member"}).status_code == 403
    assert admin.post(page(bob, "role"), {"role": "owner"}).status_code == 422
    assert 'value="owner"' not in admin.get(page(bob, "role")).content.decode()
    assert f"Actions for {olga.email}" not in admin.get(MEMBERS).content.decode()
    assert (role_of(olga), role_of(bob)) == ("owner", "member")
    assert owner.post(page(bob, "role"), {"role": "owner"}).status_code == 302
    assert role_of(bob) == "owner"
    assert owner.post(page(bob, "role"), {"role": "member"}).status_code == 302


@pytest.mark.parametrize("action", ["role", "deactivate", "remove"])
def test_last_admin_stays(alice: User, bob: User, action: str) -> None:
    client = client_of(alice)
    response = client.post(page(alice, action), {"role": "member"}, follow=True)
    assert "needs an active owner or admin" in response.content.decode()
    assert role_of(alice) == "admin"
    assert client.get(MEMBERS).status_code == 200
    client.post(page(bob, "role"), {"role": "admin"})
    assert client.post(page(alice, action), {"role": "member"})["Location"] == "/"
    assert client.get(MEMBERS).status_code in {403, 404}


@pytest.mark.parametrize(
    ("who", "reads"), [("bob", 403), ("carol", 200), ("mallory", 404), ("staff", 403)]
)
def test_other_roles_cannot_change_members(
    cast: dict[str, User], alice: User, who: str, reads: int
) -> None:
    client = client_of(cast[who])
    refused = 404 if who == "mallory" else 403
    before = list(Membership.objects.values())
    assert client.get(MEMBERS).status_code == reads
    for address in (ADD, *(page(alice, action) for action in ACTIONS)):
        assert client.get(address).status_code == refused
        assert (
            client.post(address, {"email": "x@acme.example", "role": "admin"}).status_code
            == refused
        )
    assert list(Membership.objects.values()) == before
    assert "Add member" not in client.get(MEMBERS).content.decode()


@pytest.fixture
def cast(bob: User, carol: User, mallory: User, staff: User) -> dict[str, User]:
    return {"bob": bob, "carol": carol, "mallory": mallory, "staff": staff}


def test_member_of_another_organization_is_404(alice: User, mallory: User, bob: User) -> None:
    client = client_of(mallory)
    for action in ACTIONS:
        for address in (
            page(bob, action),
            page(bob, action, "globex"),
            f"/o/globex/members/{'mem_' + '0' * 26}/{action}/",
        ):
            assert client.get(address).status_code == 404
            assert client.post(address, {"role": "member"}).status_code == 404
        assert client.get(page(mallory, action, "globex")).status_code == 200
    assert role_of(bob) == "member"


def test_removed_member_cannot_be_changed(alice: User, bob: User) -> None:
    gone = page(bob, "reactivate")
    client = client_of(alice)
    client.post(page(bob, "remove"))
    assert client.post(gone).status_code == 404
    assert bob.email not in client.get(MEMBERS).content.decode()


def test_members_search_and_pages_at_constant_cost(alice: User, acme: Organization) -> None:
    client = client_of(alice)
    client.get(MEMBERS)
    one = tables_asked(lambda: client.get(MEMBERS))
    for number in range(60):
        user = User.objects.create_user(
            f"member{number:02}@acme.example", name=f"Member {number:02}"
        )
        tenants.add_member(organization=acme, user=user, role=Role.MEMBER, by=SYSTEM)
    assert tables_asked(lambda: client.get(MEMBERS)) == one
    assert "1 to 50 of 61" in client.get(MEMBERS).content.decode()
    found = client.get(f"{MEMBERS}?q=member%2017").context["page"]
    assert [member.user.email for member in found] == ["member17@acme.example"]
    for odd in ("%00", "%25", "_", "x" * 5000, "%F0%9F%94%91"):
        assert client.get(f"{MEMBERS}?q={odd}").status_code == 200
    assert "No members match" in client.get(f"{MEMBERS}?q=%25").content.decode()


def test_member_pages_escape_hostile_names(alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(name="</title><script>alert(1)</script>")
    client = client_of(alice)
    for address in (MEMBERS, *(page(bob, action) for action in ACTIONS)):
        html = client.get(address).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)" in html
