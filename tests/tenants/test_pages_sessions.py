"""Sessions: the programs signed in as a user, and signing one of them out."""

import re
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import TrailEntry
from audit.trail.actions import Action
from tenants.models import User
from tenants.sign_in import views
from tenants.sign_in.tokens import services
from tenants.sign_in.tokens.models import EndReason, TokenFamily
from tenants.sign_in.tokens.services import Origin, TokenPair
from tests.conftest import PASSWORD, client_of
from tests.tenants.tokens.forge import refreshed, signed_in
from tests.tenants.tokens.test_ending import OTHER, dead, status

pytestmark = pytest.mark.django_db
PAGE = "/accounts/sessions/"


def program(user: User, name: str) -> TokenPair:
    return services.sign_in(user=user, origin=Origin("192.0.2.7", name), at=timezone.now())


def family(user: User) -> TokenFamily:
    return TokenFamily.objects.filter(user=user).latest("created_at")


def ending(of: TokenFamily) -> str:
    return f"/profile/programs/{of.public_id}/sign-out/"


def listed(browser: Client) -> str:
    return browser.get(PAGE).content.decode().partition('id="programs-title"')[2]


def test_sessions_lists_own_programs_with_last_refresh(bob: User, carol: User) -> None:
    assert "No programs signed in" in listed(client_of(bob))
    pair = program(bob, "ledger/2 <script>")
    program(carol, "carols/1")
    html = listed(client_of(bob))
    assert "ledger/2 &lt;script&gt;" in html
    assert "192.0.2.7" in html
    assert "Never" in html
    assert "carols/1" not in html
    assert ending(family(carol)) not in html
    refreshed(pair.refresh)
    assert "Never" not in listed(client_of(bob))


def test_sessions_page_belongs_to_no_organization(bob: User) -> None:
    html = client_of(bob).get(PAGE).content.decode()
    assert 'class="nav-link"' in html
    assert not re.findall(r'class="nav-link" href="/o/[^>]*aria-current', html)


def test_ended_sign_ins_are_not_listed(bob: User) -> None:
    now = timezone.now()
    signed_in(bob, at=now - timedelta(days=31))
    services.end_family(
        services.authenticate(program(bob, "signed-out/1").access, at=now).family_id, at=now
    )
    program(bob, "of the old password/1")
    bob.set_password(OTHER)
    bob.save()
    bob.set_password(PASSWORD)
    bob.save()
    assert "No programs signed in" in listed(client_of(bob))


def test_sign_out_is_immediate_and_spares_others(bob: User, carol: User) -> None:
    first, second, bystander = (
        program(bob, "first/1"),
        program(bob, "second/1"),
        program(carol, "carols/1"),
    )
    browser = client_of(bob)
    of_first = TokenFamily.objects.get(user_agent="first/1")
    assert status(first) == 200
    response = browser.post(ending(of_first), follow=True)
    assert (response.redirect_chain, b"Signed out first/1." in response.content) == (
        [(PAGE, 302)],
        True,
    )
    assert dead(first)
    assert status(second) == status(bystander) == 200
    assert browser.get("/profile/").status_code == 200, "the browser goes on"
    of_first.refresh_from_db()
    assert of_first.revoke_reason == EndReason.SIGNED_OUT


def test_sign_out_is_trailed_once(bob: User) -> None:
    program(bob, "ledger/2")
    browser, of = client_of(bob), family(bob)
    assert [browser.post(ending(of)).status_code for _ in range(2)] == [302, 404]
    entry = TrailEntry.objects.get(action=Action.USER_TOKENS_REVOKED)
    assert (entry.actor_id, entry.target_id) == (bob.public_id, bob.public_id)
    assert f'"data":{{"reason":"signed_out","sign_in":"{of.public_id}"}}' in entry.body


@pytest.mark.parametrize("name", ["mallory", "alice", "staff"])
def test_programs_of_other_users_are_out_of_reach(
    name: str, bob: User, request: pytest.FixtureRequest
) -> None:
    other: User = request.getfixturevalue(name)
    User.objects.filter(pk=other.pk).update(
        password=bob.password
    )  # equal password marks must not give access to another user's sign-ins
    pair, browser = program(bob, "bobs/1"), client_of(other)
    of = family(bob)
    assert "bobs/1" not in listed(browser)
    unknown = browser.post(ending(of).replace(of.public_id, "fam_" + "0" * 26))
    response = browser.post(ending(of))
    assert (response.status_code, unknown.status_code) == (404, 404)
    assert b"bobs/1" not in response.content
    assert status(pair) == 200
    assert client_of(bob).post(ending(of)).status_code == 302
    assert dead(pair)


def test_sign_out_needs_a_post_with_csrf_token(bob: User) -> None:
    pair = program(bob, "bobs/1")
    assert client_of(bob).get(ending(family(bob))).status_code == 405
    foreign = Client(enforce_csrf_checks=True)
    foreign.force_login(bob)
    assert foreign.post(ending(family(bob))).status_code == 403
    assert Client().post(ending(family(bob))).headers["Location"].startswith("/accounts/login/")
    assert status(pair) == 200


def test_sessions_are_paged_at_constant_cost(bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PER_PAGE", 5)
    browser = client_of(bob)
    browser.get(PAGE)
    costs = []
    for _ in range(2):
        for _ in range(4):
            program(bob, "cron/1")
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(PAGE).status_code == 200
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert browser.get(f"{PAGE}?page=2").content.decode().count("/sign-out/") == 3


def browsers(page: str) -> list[str]:
    """Return the rows of the table of browsers."""
    return page.partition('id="programs-title"')[0].split("<tr>")[2:]


def shown(client: Client) -> list[str]:
    return browsers(client.get(PAGE).content.decode())


def test_one_browser_is_signed_out_and_others_stay(bob: User, carol: User) -> None:
    here, there, third, bystander = (client_of(user) for user in (bob, bob, bob, carol))
    ending = UserSession.objects.get(session_key=there.session.session_key)
    assert there.get("/profile/").status_code == 200
    response = here.post(f"/profile/sessions/{ending.pk}/sign-out/", follow=True)
    assert "Signed out the browser at 127.0.0.1." in response.content.decode()
    assert there.get("/profile/").status_code == 302
    for client in (here, third, bystander):
        assert client.get("/profile/").status_code == 200
    assert len(shown(here)) == 2


def test_end_of_a_browser_session_is_trailed_once(bob: User) -> None:
    here, there = client_of(bob), client_of(bob)
    ending = UserSession.objects.get(session_key=there.session.session_key)
    address = f"/profile/sessions/{ending.pk}/sign-out/"
    assert [here.post(address).status_code for _ in range(2)] == [302, 404]
    entry = TrailEntry.objects.get(action=Action.USER_SESSIONS_ENDED)
    assert (entry.actor_id, entry.target_id) == (bob.public_id, bob.public_id)
    assert '"data":{"addresses":["127.0.0.1"],"sessions":1}' in entry.body


def test_end_of_all_other_sessions_is_trailed(bob: User) -> None:
    here, _, _ = client_of(bob), client_of(bob), client_of(bob)
    response = here.post(PAGE, follow=True)
    assert "Signed out all other sessions" in response.content.decode()
    assert '"sessions":2' in TrailEntry.objects.get(action=Action.USER_SESSIONS_ENDED).body
    here.post(PAGE)
    assert TrailEntry.objects.filter(action=Action.USER_SESSIONS_ENDED).count() == 1


def test_sessions_of_others_and_own_are_out_of_reach(bob: User, carol: User) -> None:
    victim, browser = client_of(bob), client_of(carol)
    of_bob = UserSession.objects.get(session_key=victim.session.session_key)
    own = UserSession.objects.get(session_key=browser.session.session_key)
    for session in (of_bob.pk, own.pk, 2**70):
        assert browser.post(f"/profile/sessions/{session}/sign-out/").status_code == 404
    assert victim.get("/profile/").status_code == browser.get("/profile/").status_code == 200
    assert not TrailEntry.objects.filter(action=Action.USER_SESSIONS_ENDED).exists()


def test_sessions_show_last_use_and_its_address(bob: User) -> None:
    here, there = client_of(bob), client_of(bob)
    now = timezone.now()
    UserSession.objects.filter(session_key=there.session.session_key).update(
        last_seen_at=now - timedelta(days=3), ip="192.0.2.50"
    )
    [first, second] = shown(here)
    assert "This device" in first
    assert "3\xa0days ago" in second
    assert "192.0.2.50" in second
    there.get("/profile/", REMOTE_ADDR="192.0.2.51")
    row = UserSession.objects.get(session_key=there.session.session_key)
    assert (row.ip, row.last_seen_at >= now) == ("192.0.2.51", True)


def test_use_of_a_session_is_written_once_a_minute(bob: User) -> None:
    client = client_of(bob)
    client.get("/profile/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/profile/")
    assert not [query for query in queries if query["sql"].startswith("UPDATE")]


def test_sessions_cost_the_same_for_any_number(bob: User) -> None:
    here = client_of(bob)
    shown(here)
    costs = []
    for _ in range(2):
        for _ in range(4):
            client_of(bob)
        with CaptureQueriesContext(connection) as queries:
            shown(here)
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 8


def test_ended_browser_sessions_are_not_listed(bob: User) -> None:
    here, gone, expired, old = (client_of(bob) for _ in range(4))
    Session.objects.get(session_key=gone.session.session_key).delete()
    Session.objects.filter(session_key=expired.session.session_key).update(
        expire_date=timezone.now()
    )
    store = old.session
    store[HASH_SESSION_KEY] = "of the old password"
    store.save()
    [row] = shown(here)
    assert "This device" in row
