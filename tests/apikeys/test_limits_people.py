"""Limits on what people do: sign in and create keys."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apikeys.models import Key
from apikeys.views.forms import new_nonce
from config.lib.rates import Rate
from tenants.models import User
from tests.conftest import PASSWORD, client_of

pytestmark = pytest.mark.django_db


def order_agent_key(client: Client, user: User, number: int) -> Any:
    tomorrow = (timezone.localdate() + timedelta(days=1)).isoformat()
    fields = {
        "name": f"Agent {number}",
        "expires_on": tomorrow,
        "environment": "live",
        "nonce": new_nonce(user),
    }
    return client.post("/o/acme/agents/api-keys/new/", fields)


def order_public_key(client: Client, user: User, number: int) -> Any:
    fields = {
        "name": f"Script {number}",
        "scopes": ["read:audit-activity"],
        "environment": "live",
        "expires": "30",
        "nonce": new_nonce(user),
    }
    return client.post("/profile/api-keys/new/", fields)


@pytest.mark.usefixtures("stopped_clock")
@pytest.mark.parametrize("order", [order_agent_key, order_public_key])
def test_issue_limit_counts_each_user_apart(
    order: Any, alice: User, bob: User, settings: Settings
) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"issue": Rate(3, 60)}
    client = client_of(alice)
    statuses = [order(client, alice, number).status_code for number in range(5)]
    assert statuses == [200, 200, 200, 422, 422]
    assert "Too many new keys. Try again in 1 minute." in order(client, alice, 6).content.decode()
    assert Key.objects.count() == 3
    assert order_public_key(client_of(bob), bob, 7).status_code == 200


@pytest.mark.usefixtures("stopped_clock")
def test_invalid_form_does_not_spend(alice: User, settings: Settings) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"issue": Rate(1, 60)}
    client = client_of(alice)
    for _ in range(3):
        assert client.post("/o/acme/agents/api-keys/new/", {"name": ""}).status_code == 422
    assert order_agent_key(client, alice, 1).status_code == 200


def test_sign_in_limit_ignores_headers(alice: User, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": Rate(10, 60).for_allauth("ip"), "login_failed": None}
    statuses = [
        Client().post(
            "/accounts/login/",
            {"login": alice.email, "password": "wrong"},
            HTTP_X_FORWARDED_FOR=f"198.51.100.{n}",
        )
        for n in range(100)
    ]
    assert [answer.status_code for answer in statuses] == [200] * 10 + [429] * 90
    elsewhere = Client(REMOTE_ADDR="192.0.2.77")
    assert (
        elsewhere.post("/accounts/login/", {"login": alice.email, "password": PASSWORD}).status_code
        == 302
    )


def test_sign_in_limit_is_shared_by_processes() -> None:
    assert Rate(30, 60).share(2).for_allauth("ip") == "15/60s/ip"
    assert Rate(3, 60).share(50).for_allauth("ip") == "1/60s/ip"
