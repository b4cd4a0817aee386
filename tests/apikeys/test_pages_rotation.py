"""Rotate and End now, and the secrets of a key side by side."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import services as keys
from apikeys.authority import Authority
from apikeys.models import Key
from apikeys.services import Issued, Overlap, Rotated
from apikeys.stored_secret import Secret, SecretState
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants.models import Organization, User
from tenants.roles import PERMISSIONS, Role
from tests.conftest import SYSTEM, IssueKey, api, client_of, join
from tests.pages import nonce_of, secret_of

pytestmark = pytest.mark.django_db
OWNER = Authority.of_person(PERMISSIONS[Role.OWNER])
SECRET = r"[as]k_(?:live|test)_[0-9A-Za-z]{32}"


def address(key: Key) -> str:
    return f"/keys/{key.public_id}/rotate/"


def end_address(key: Key, secret: Secret) -> str:
    return f"/keys/{key.public_id}/secrets/{secret.public_id}/end/"


def rotate(issued: Issued, grace: timedelta = timedelta(hours=1)) -> Rotated:
    return keys.rotate(key=issued.key, overlap=Overlap(grace), within=OWNER, by=SYSTEM)


def submit(client: Client, key: Key, **fields: str) -> str:
    nonce = nonce_of(client.get(address(key)))
    response = client.post(address(key), {"nonce": nonce, **fields})
    assert response.status_code == 200, response.content
    assert response.headers["Cache-Control"] == "no-store"
    return secret_of(response)


def works(secret: str) -> bool:
    return isinstance(verify(secret, now=timezone.now()), Credential)


def usage_page(client: Client, key: Key) -> str:
    answer = client.get(f"/keys/{key.public_id}/usage/")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_page_default_keeps_the_old_secret_for_a_day(bob: User, public_key: Issued) -> None:
    client = client_of(bob)
    form = client.get(address(public_key.key)).content.decode()
    assert 'value="86400" checked' in form
    new = submit(client, public_key.key, grace="86400")
    assert works(new)
    assert works(public_key.plaintext.reveal())
    assert Secret.objects.pending().get().grace == timedelta(days=1)
    entry = TrailEntry.objects.get(action="key.rotated")
    assert (entry.actor_name, new in entry.body) == (bob.email, False)


def test_now_ends_the_old_secret_with_the_answer(
    bob: User, public_key: Issued, issue_public_key: IssueKey
) -> None:
    bystander = issue_public_key(name="Bystander")
    assert works(submit(client_of(bob), public_key.key, grace="0"))
    gone = verify(public_key.plaintext.reveal(), now=timezone.now())
    assert gone == Denial(Reason.ROTATED_KEY)
    assert works(bystander.plaintext.reveal())


def test_form_submitted_again_shows_no_second_secret(bob: User, public_key: Issued) -> None:
    client = client_of(bob)
    nonce = nonce_of(client.get(address(public_key.key)))
    fields = {"nonce": nonce, "grace": "3600"}
    assert client.post(address(public_key.key), fields).status_code == 200
    again = client.post(address(public_key.key), fields)
    assert again.status_code == 409
    assert not re.findall(SECRET, again.content.decode())
    assert Secret.objects.count() == 2


def test_nonce_of_another_person_makes_nothing(bob: User, alice: User, public_key: Issued) -> None:
    nonce = nonce_of(client_of(alice).get(address(public_key.key)))
    answer = client_of(bob).post(address(public_key.key), {"nonce": nonce, "grace": "0"})
    assert answer.status_code == 422
    assert works(public_key.plaintext.reveal())
    assert Secret.objects.count() == 1


@pytest.mark.parametrize("grace", ["", "1", "-1", "604801", "never"])
def test_only_offered_times_are_accepted(grace: str, bob: User, public_key: Issued) -> None:
    client = client_of(bob)
    nonce = nonce_of(client.get(address(public_key.key)))
    answer = client.post(address(public_key.key), {"nonce": nonce, "grace": grace})
    assert answer.status_code == 422
    assert Secret.objects.count() == 1


def test_admin_cannot_rotate_a_key_above_their_own_power(
    acme: Organization, alice: User, issue_public_key: IssueKey
) -> None:
    strong = issue_public_key(owner=join(acme, "olivia", Role.OWNER), scopes=("admin",))
    client = client_of(alice)
    nonce = nonce_of(client.get(address(strong.key)))
    answer = client.post(address(strong.key), {"nonce": nonce, "grace": "0"})
    assert answer.status_code == 422
    assert not re.findall(SECRET, answer.content.decode())
    assert works(strong.plaintext.reveal())


def test_secret_of_another_key_cannot_be_ended(
    bob: User, public_key: Issued, agent_key: Issued
) -> None:
    rotate(public_key)
    rotate(agent_key)
    foreign = agent_key.key.secrets.first()
    assert foreign
    assert client_of(bob).post(end_address(public_key.key, foreign)).status_code == 404
    assert works(agent_key.plaintext.reveal())


def test_end_now_asks_first_and_then_ends(bob: User, public_key: Issued) -> None:
    rotated = rotate(public_key)
    old = Secret.objects.live().get()
    client = client_of(bob)
    assert "This can’t be undone" in client.get(end_address(public_key.key, old)).content.decode()
    assert works(public_key.plaintext.reveal())
    assert client.post(end_address(public_key.key, old)).status_code == 302
    assert not works(public_key.plaintext.reveal())
    assert works(rotated.plaintext.reveal())


def test_usage_page_shows_both_secrets_and_their_states(bob: User, public_key: Issued) -> None:
    client = client_of(bob)
    html = usage_page(client, public_key.key)
    assert ("Pending" in html, "End now" in html, "Rotate" in html) == (False, False, True)
    pending = rotate(public_key)
    html = usage_page(client, public_key.key)
    assert "Pending" in html
    assert html.count("End now") == 2
    assert all(each.plaintext.mask in html for each in (public_key, pending))
    now = timezone.now()
    Secret.objects.live().update(retired_at=now + timedelta(minutes=59, seconds=30))
    Secret.objects.filter(lapses_at__isnull=False).update(activated_at=now)
    html = re.sub(r"\s+", " ", usage_page(client, public_key.key))
    assert re.search(r"Works until \d+ \w+, \d\d:\d\d \(in 59 minutes\)", html)
    rotate(public_key, timedelta(0))
    assert usage_page(client, public_key.key).count("Retired") == 2


def test_auditor_sees_the_secrets_and_cannot_change_them(carol: User, agent_key: Issued) -> None:
    rotate(agent_key)
    path = f"/keys/{agent_key.key.public_id}/usage/"
    html = client_of(carol).get(path).content.decode()
    assert ("Pending" in html, "End now" in html, "/rotate/" in html) == (True, False, False)


def test_page_names_the_hosts_that_have_not_moved(alice: User, agent_key: Issued) -> None:
    def beat(secret: str, host: str) -> None:
        body = {"host": host, "version": "1"}
        client = api(HTTP_X_API_KEY=secret)
        assert client.post("/api/v1/agent/heartbeat", body, format="json").status_code == 200

    for host in ("sql-1", "sql-2", "sql-3"):
        beat(agent_key.plaintext.reveal(), host)
    client = client_of(alice)
    new = submit(client, agent_key.key, grace="86400", last_host="on")
    assert Secret.objects.pending().get().ends_with_last_host
    for host in ("sql-1", "sql-2"):
        beat(new, host)
    path = f"/keys/{agent_key.key.public_id}/usage/"
    html = re.sub(r"<[^>]+>", "", client.get(path).content.decode())
    assert "2 of 3 hosts moved" in html
    assert "Not yet: sql-3." in html


def test_lapsed_secret_says_so(bob: User, public_key: Issued) -> None:
    rotate(public_key)
    lapses_at = Secret.objects.pending().get().lapses_at
    assert lapses_at
    rows = Secret.objects.filter(lapses_at=lapses_at)
    rows.update(retired_at=lapses_at)
    assert rows.get().state(lapses_at) is SecretState.LAPSED
    assert rows.get().state(lapses_at - timedelta(seconds=1)) is SecretState.RETIRING
