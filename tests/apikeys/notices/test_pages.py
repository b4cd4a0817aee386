"""The pages of notifications and webhooks: admins choose, everyone for themselves."""

import re

import pytest
from django.test import Client
from pytest_django import Settings

from apikeys.notices import deliveries, preferences
from apikeys.notices.models import Delivery, Webhook
from apikeys.notices.webhooks import AddedWebhook
from audit.models import TrailEntry
from audit.outbox.models import Message
from tenants.models import Organization, User
from tests.apikeys.notices.conftest import deliver_now
from tests.conftest import client_of, membership_of
from tests.pages import nonce_of
from tests.servers.receiver import WebhookReceiver

SETTINGS = "/o/acme/settings/notifications/"
NEW = "/o/acme/settings/webhooks/new/"
MINE = "/profile/notifications/"
URL = "https://example.com/hooks"


def page_of(hook: AddedWebhook) -> str:
    return f"/o/acme/settings/webhooks/{hook.webhook.public_id}/"


def secrets_in(text: str) -> set[str]:
    return set(re.findall(r"whsec_[\w+/=]{20,}", text))


def test_admin_chooses_for_the_organization(alice: User, bob: User, acme: Organization) -> None:
    client, chosen = client_of(alice), str(membership_of(alice).pk)
    fields = {"causes": ["agent.silent"], "to": "chosen", "recipients": [chosen]}
    assert client.post(SETTINGS, fields).status_code == 302
    saved = preferences.of_organization(acme)
    assert (saved.causes, saved.recipients) == (["agent.silent"], [chosen])
    assert client.post(SETTINGS, fields).status_code == 302
    (entry,) = TrailEntry.objects.filter(action="notifications.changed")
    assert entry.actor_name == alice.email
    assert 'value="agent.silent" checked' in client.get(SETTINGS).content.decode()
    outsider = fields | {"recipients": [str(membership_of(bob).pk)]}
    assert client.post(SETTINGS, outsider).status_code == 422, "bob manages nothing"


def test_person_chooses_for_themselves(alice: User, bob: User) -> None:
    client = client_of(bob)
    assert "organization.key_issued" not in client.get(MINE).content.decode()
    assert "organization.key_issued" in client_of(alice).get(MINE).content.decode()
    assert client.post(MINE, {"causes": ["key.expiring"]}).status_code == 302
    chosen = preferences.of_person(bob)
    assert [name for name, is_on in chosen.items() if is_on] == ["key.expiring"]
    assert preferences.of_person(alice)["sign_in.new"]


@pytest.mark.parametrize(
    ("address", "fields"),
    [(MINE, {}), (SETTINGS, {"to": "everyone"}), (NEW, {"url": URL, "causes": ["key.issued"]})],
)
def test_change_asks_for_a_recent_sign_in(
    alice: User, acme: Organization, settings: Settings, address: str, fields: dict[str, str]
) -> None:
    client = client_of(alice)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = -1
    response = client.post(address, fields)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/accounts/reauthenticate/")
    assert preferences.of_person(alice)["sign_in.new"]
    assert not Webhook.objects.exists()
    assert not TrailEntry.objects.filter(action="notifications.changed").exists()


def test_signing_secret_is_shown_once(alice: User) -> None:
    client = client_of(alice)
    fields = {"url": URL, "causes": ["key.issued"], "nonce": nonce_of(client.get(NEW))}
    response = client.post(NEW, fields)
    (secret,) = secrets_in(response.content.decode())
    assert response.headers["Cache-Control"] == "no-store"
    webhook = Webhook.objects.get()
    again = client.post(NEW, fields)
    assert again.status_code == 409
    page = f"/o/acme/settings/webhooks/{webhook.public_id}/"
    pages = [again, client.get(page), client.get(f"{page}edit/"), client.get(SETTINGS)]
    for each in pages:
        assert secret[6:20] not in each.content.decode()
    rotated = client.post(f"{page}secret/", {"nonce": nonce_of(client.get(f"{page}secret/"))})
    assert secrets_in(rotated.content.decode()).isdisjoint({secret})
    assert Webhook.objects.count() == 1


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://example.com/", "Enter a URL that starts with https://."),
        ("https://10.0.0.1/", "Enter a URL on a public address, on port 443 or 8443."),
        ("https://u:p@example.com/", "without a user name, a password or a fragment"),
        ("javascript:alert(1)", "Enter a URL such as"),
        ("", "Enter a URL."),
    ],
)
def test_url_that_cannot_be_used_is_explained(alice: User, url: str, error: str) -> None:
    client = client_of(alice)
    fields = {"url": url, "causes": ["key.issued"], "nonce": nonce_of(client.get(NEW))}
    response = client.post(NEW, fields)
    assert response.status_code == 422
    assert error in response.content.decode()
    assert not Webhook.objects.exists()


def test_log_shows_the_answer_escaped_and_redelivers(
    alice: User, hook: AddedWebhook, receiver: WebhookReceiver
) -> None:
    receiver.statuses, receiver.text = [410], b"<script>alert(1)</script>" + b"x" * 600
    client, page = client_of(alice), page_of(hook)
    client.post(f"{page}test/")
    deliver_now()
    shown = client.get(page).content.decode()
    assert "410" in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown
    assert "x" * 476 not in shown
    delivery = Delivery.objects.get()
    redeliver = f"{page}{delivery.public_id}/redeliver/"
    client.post(redeliver)
    assert Delivery.objects.count() == 1, "it is disabled"
    client.post(f"{page}enable/")
    client.post(redeliver)
    deliver_now()
    first, second = receiver.received
    assert second.is_verified
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_delivery_of_another_webhook_is_not_found(
    alice: User, mallory: User, hook: AddedWebhook, globex: Organization
) -> None:
    delivery = deliveries.send_test(hook.webhook)
    client = client_of(mallory)
    for address in (page_of(hook), page_of(hook).replace("acme", "globex")):
        for end in ("test/", "delete/", f"{delivery.public_id}/redeliver/"):
            assert client.post(address + end).status_code == 404
    assert Webhook.objects.count() == 1
    assert Message.objects.filter(kind="webhook").count() == 1


def test_confirmed_deletion_takes_the_log_along(alice: User, hook: AddedWebhook) -> None:
    deliveries.send_test(hook.webhook)
    client, page = client_of(alice), page_of(hook)
    assert client.get(f"{page}delete/").status_code == 200
    assert Webhook.objects.exists()
    assert client.post(f"{page}delete/").headers["Location"] == SETTINGS
    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()
    assert client.get(page).status_code == 404


def test_profile_links_to_the_choice(bob: User) -> None:
    client: Client = client_of(bob)
    assert f'href="{MINE}"' in client.get("/profile/").content.decode()
