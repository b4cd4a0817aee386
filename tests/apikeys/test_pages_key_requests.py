"""Key requests and key rules as pages: form, approval, refusal, collection, one-time display."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apikeys.models import Key, KeyRequest, KeyRules
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.test_approval import answer_yes, ask
from tests.apikeys.test_key_rules import ruled
from tests.apikeys.test_pages_new_public_key import NEW, fields
from tests.conftest import IssueKey, client_of, join
from tests.pages import grow_old, nonce_of, secret_of

pytestmark = pytest.mark.django_db
LIST, RULES = "/o/acme/key-requests/", "/o/acme/settings/key-rules/"


@pytest.fixture(autouse=True)
def _no_leases(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = 0


@pytest.fixture
def olivia(acme: Organization) -> User:
    return join(acme, "olivia", Role.OWNER)


@pytest.fixture
def guarded(acme: Organization, olivia: User, alice: User) -> Organization:
    ruled(acme, needs_approval=True)
    return acme


def page_of(request: KeyRequest, step: str = "") -> str:
    return f"{LIST}{request.public_id}/{step}"


def test_form_requests_and_double_click_requests_once(guarded: Organization, bob: User) -> None:
    client = client_of(bob)
    data = fields(client, description="nightly")
    first = client.post(NEW, data)
    second = client.post(NEW, data)
    request = KeyRequest.objects.get()
    assert first["Location"] == second["Location"] == page_of(request)
    assert (request.description, request.owner_name) == ("nightly", str(bob))
    assert not Key.objects.exists()
    assert b"A second person must approve each live key" in client.get(NEW).content


def test_request_is_approved_and_collected_in_the_browser(
    guarded: Organization, bob: User, alice: User
) -> None:
    request, admin, member = ask(bob, guarded), client_of(alice), client_of(bob)
    assert admin.post(page_of(request, "approve/")).status_code == 302
    assert f"{page_of(request)}collect/" in member.get("/profile/").content.decode()
    nonce = nonce_of(member.get(page_of(request, "collect/")))
    made = member.post(page_of(request, "collect/"), {"nonce": nonce})
    assert (made.status_code, made["Cache-Control"]) == (200, "no-store")
    assert isinstance(verify(secret_of(made), now=timezone.now()), Credential)
    again = member.post(page_of(request, "collect/"), {"nonce": nonce})
    assert (again.status_code, b"Already created" in again.content) == (409, True)
    assert Key.objects.count() == 1


def test_nonce_of_another_person_collects_nothing(
    guarded: Organization, bob: User, alice: User, olivia: User
) -> None:
    request = ask(bob, guarded)
    answer_yes(request, alice)
    theirs = ask(alice, guarded)
    answer_yes(theirs, olivia)
    nonce = nonce_of(client_of(alice).get(page_of(theirs, "collect/")))
    answer = client_of(bob).post(page_of(request, "collect/"), {"nonce": nonce})
    assert (answer.status_code, b"opened by another user" in answer.content) == (422, True)
    assert not Key.objects.exists()


def test_refusal_needs_a_reason_and_shows_it(guarded: Organization, bob: User, alice: User) -> None:
    request, admin = ask(bob, guarded), client_of(alice)
    assert admin.post(page_of(request, "refuse/"), {"reason": " "}).status_code == 422
    assert admin.post(page_of(request, "refuse/"), {"reason": "Use a test key."}).status_code == 302
    assert b"Use a test key." in client_of(bob).get(page_of(request)).content
    assert '"reason":"Use a test key."' in TrailEntry.objects.get(action="key_request.refused").body


def test_requester_sees_no_way_to_approve(guarded: Organization, alice: User) -> None:
    request, client = ask(alice, guarded), client_of(alice)
    assert b"/approve/" not in client.get(LIST).content
    answer = client.post(page_of(request, "approve/"), follow=True)
    assert b"You requested this key" in answer.content
    assert KeyRequest.objects.get().approved_at is None


def test_answer_and_collection_ask_for_a_recent_sign_in(
    guarded: Organization, bob: User, alice: User
) -> None:
    request = ask(bob, guarded)
    for user, step in ((alice, "approve/"), (alice, "refuse/"), (bob, "collect/")):
        client = client_of(user)
        grow_old(client, 3600)
        answer = client.post(page_of(request, step), {"reason": "x"})
        assert "/reauthenticate/" in answer["Location"]
    assert KeyRequest.objects.get().answered_by is None


def test_list_shows_members_their_own_and_waiting_ones_first(
    guarded: Organization, bob: User, alice: User, carol: User
) -> None:
    waiting = ask(alice, guarded, name="Waiting one")
    answer_yes(ask(bob, guarded, name="Approved one"), alice)
    mine = client_of(bob).get(LIST).content
    assert b"Approved one" in mine
    assert b"Waiting one" not in mine
    assert client_of(bob).get(page_of(waiting)).status_code == 404
    for reader in (alice, carol):
        html = client_of(reader).get(LIST).content
        assert 0 < html.index(b"Waiting one") < html.index(b"Approved one")


def rules_form(client: Client, **changes: Any) -> dict[str, Any]:
    version = client.get(RULES).context["form"]["version"].value()
    return {"version": version, "issuers": "members", "allows_never": "on"} | changes


def test_page_saves_rules_and_lists_keys_that_break_them(
    acme: Organization, alice: User, issue_public_key: IssueKey
) -> None:
    issue_public_key(name="Forever")
    client = client_of(alice)
    networks = "192.0.2.0/24\n2001:db8::/32"
    data = rules_form(client, longest_days="90", live_networks=networks, rotate_live_days="30")
    assert client.post(RULES, data).status_code == 302
    row = KeyRules.objects.get()
    assert (row.longest_days, row.live_networks) == (90, ["192.0.2.0/24", "2001:db8::/32"])
    html = client.get(RULES).content.decode()
    assert "Forever" in html
    assert "Keys must expire." in html
    assert (
        "Breaks rules" in client_of(User.objects.get(name="Bob")).get("/profile/").content.decode()
    )


def test_invalid_rules_keep_what_was_typed(acme: Organization, alice: User) -> None:
    client = client_of(alice)
    answer = client.post(RULES, rules_form(client, longest_days="0", live_networks="here"))
    assert answer.status_code == 422
    assert b"Enter at least 1 day." in answer.content
    assert b"Line 1: enter a network" in answer.content
    assert not KeyRules.objects.exists()


def test_stale_form_does_not_overwrite_rules(acme: Organization, alice: User, olivia: User) -> None:
    client = client_of(alice)
    stale = rules_form(client, longest_days="365")
    other = client_of(olivia)
    assert other.post(RULES, rules_form(other, longest_days="30")).status_code == 302
    assert client.post(RULES, stale).status_code == 409
    assert KeyRules.objects.get().longest_days == 30


def test_auditor_reads_rules_and_cannot_change_them(
    acme: Organization, carol: User, olivia: User, alice: User
) -> None:
    ruled(acme, longest_days=90)
    client = client_of(carol)
    html = client.get(RULES).content
    assert b"90 days" in html
    assert b"Save key rules" not in html
    assert client.post(RULES, {"version": 1}).status_code == 403


def test_page_warns_when_an_approver_has_left(acme: Organization, alice: User) -> None:
    ruled(acme, needs_approval=True)
    assert "Live keys can’t be approved" in client_of(alice).get(RULES).content.decode()
