"""Revoke, Pause and Resume of a public key, and hostile labels."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Issued
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants.models import User
from tests.conftest import SYSTEM, IssueKey, client_of
from tests.pages import nonce_of

pytestmark = pytest.mark.django_db
NEW = "/profile/api-keys/new/"


def page(key: Key, action: str) -> str:
    return f"/keys/{key.public_id}/{action}/"


def outcome(secret: str) -> Credential | Denial:
    return verify(secret, now=timezone.now())


@pytest.mark.parametrize(
    ("action", "reason"),
    [("revoke", Reason.REVOKED_KEY), ("pause", Reason.PAUSED_KEY)],
    ids=["revoke", "pause"],
)
def test_revoke_and_pause_apply_to_the_next_request(
    bob: User, public_key: Issued, issue_public_key: IssueKey, action: str, reason: Reason
) -> None:
    bystander = issue_public_key(name="Bystander")
    client = client_of(bob)
    assert isinstance(outcome(public_key.plaintext.reveal()), Credential)
    response = client.post(page(public_key.key, action), {"reason": "Not needed"})
    assert (response.status_code, response["Location"]) == (
        302,
        f"/keys/{public_key.key.public_id}/",
    )
    assert outcome(public_key.plaintext.reveal()) == Denial(reason)
    assert isinstance(outcome(bystander.plaintext.reveal()), Credential)
    assert TrailEntry.objects.latest("sequence").actor_name == bob.email


def test_resumed_key_works_again(bob: User, public_key: Issued) -> None:
    keys.pause(key=public_key.key, by=SYSTEM)
    assert client_of(bob).post(page(public_key.key, "resume")).status_code == 302
    assert isinstance(outcome(public_key.plaintext.reveal()), Credential)


@pytest.mark.parametrize("action", ["revoke", "pause", "resume"])
def test_confirmation_page_changes_nothing(bob: User, public_key: Issued, action: str) -> None:
    if action == "resume":
        keys.pause(key=public_key.key, by=SYSTEM)
    before = Key.objects.values().get()
    response = client_of(bob).get(page(public_key.key, action))
    assert response.status_code == 200
    assert public_key.plaintext.mask in response.content.decode()
    assert Key.objects.values().get() == before


def test_revoke_page_warns_if_the_key_is_in_use(bob: User, public_key: Issued) -> None:
    client = client_of(bob)
    assert "still using this key" not in client.get(page(public_key.key, "revoke")).content.decode()
    Key.objects.update(last_used_at=timezone.now() - timedelta(minutes=2), last_used_ip="10.1.2.3")
    html = client.get(page(public_key.key, "revoke")).content.decode()
    assert "Used 2\xa0minutes ago" in html
    assert "still using this key" in html
    for words in (
        "SIEM Integration",
        "read:audit-activity",
        "10.1.2.3",
        "Pause it instead",
        "can’t be undone",
    ):
        assert words in html


def test_second_revoke_is_reported_and_not_trailed(bob: User, public_key: Issued) -> None:
    client = client_of(bob)
    client.post(page(public_key.key, "revoke"))
    before = TrailEntry.objects.count()
    response = client.post(page(public_key.key, "revoke"), follow=True)
    assert "already revoked" in response.content.decode()
    assert TrailEntry.objects.count() == before
    assert "is already revoked" in client.get(page(public_key.key, "revoke")).content.decode()


def test_unprintable_reason_is_refused(bob: User, public_key: Issued) -> None:
    response = client_of(bob).post(page(public_key.key, "revoke"), {"reason": "x\u202ey"})
    assert response.status_code == 422
    assert Key.objects.get().revoked_at is None


@pytest.mark.parametrize("action", ["revoke", "pause", "resume", "edit"])
def test_colleagues_key_is_403_and_an_outsiders_404(
    action: str, carol: User, mallory: User, public_key: Issued, agent_key: Issued
) -> None:
    nobodys = f"/keys/key_01m7y6g20mf5srss9tgh6dpnn7/{action}/"
    for person, refused in ((carol, 403), (mallory, 404)):
        client = client_of(person)
        for method in (client.get, client.post):
            for theirs in (public_key.key, agent_key.key):
                assert method(page(theirs, action)).status_code == refused
            assert method(nobodys).status_code == 404
    assert Key.objects.filter(revoked_at=None, paused_at=None).count() == 2
    assert public_key.key.owner is not None
    assert client_of(public_key.key.owner.user).get(page(public_key.key, action)).status_code == 200


@pytest.mark.parametrize("action", ["new", "revoke"])
def test_cross_site_form_is_refused(bob: User, public_key: Issued, action: str) -> None:
    address = NEW if action == "new" else page(public_key.key, action)
    client = client_of(bob)
    data = {"name": "x", "scopes": "read:audit-activity", "environment": "live", "expires": "30"}
    data["nonce"] = nonce_of(client.get(NEW))
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(address, data).status_code == 403
    assert Key.objects.filter(revoked_at=None).count() == 1
    assert client.post(address, data).status_code in {200, 302}


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_other_methods_are_405(bob: User, public_key: Issued, method: str) -> None:
    client = client_of(bob)
    for address in (NEW, page(public_key.key, "revoke")):
        assert getattr(client, method)(address).status_code == 405


def test_hostile_label_is_escaped(bob: User, issue_public_key: IssueKey) -> None:
    label = "</title><script>alert(1)</script>\"'><img src=x onerror=1>{{7*7}}"
    key = issue_public_key(name=label, description=label).key
    client = client_of(bob)
    for address in ("/profile/", page(key, "revoke"), page(key, "pause")):
        html = client.get(address).content.decode()
        assert "&lt;script&gt;alert(1)" in html
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    revoked = client.post(page(key, "revoke"), follow=True).content.decode()
    assert "Revoked &lt;/title&gt;" in revoked
    assert "<script>alert" not in revoked
