"""Mallory, an admin at Globex, tries every address with every credential. She gets nothing of Acme.

The routes come from the URLconf, so a new route is covered on arrival. A route with a parameter
that the fixture `loot` cannot fill fails until it is added there.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apikeys.models import (
    Delivery,
    Key,
    KeyRequest,
    KeyRules,
    OrganizationNotifications,
    Secret,
    Webhook,
)
from apikeys.oauth.models import AccessToken, Application, Grant, RefreshToken
from apikeys.services import Issued
from audit.models import ActivityEvent, TrailEntry, TrailHead
from tenants.models import Agent, AgentConfiguration, Membership, Organization, User
from tenants.sign_in.tokens.models import TokenFamily
from tests.apikeys.oauth.flow import Program, service_of
from tests.conftest import Loot, api
from tests.routes import addresses, routes
from tests.tenants.tokens.forge import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
# Text that only Acme may read. Not the names of the cast: an answer may repeat "acme" from its URL.
MARKS = (
    "sql-acme-77",
    "acme_crown_jewels",
    "bob@acme",
    "carol@acme",
    "Acme agent",
    "Acme script",
    "Acme ledger",
    "Acme importer",
    "acme-ledger-import",
    "acme-siem",
)


def acmes_rows(acme: Organization) -> list[Any]:
    """Every row that Acme owns, except the last use of keys, which verifying them may record."""
    ours = {"organization_id": acme.pk}
    keys = Key.objects.filter(**ours).defer("last_used_at", "last_used_ip").order_by("pk")
    return [
        *keys.values_list("pk", "name", "scopes", "expires_at", "paused_at", "revoked_at"),
        *Secret.objects.filter(key__organization=acme).order_by("pk").values_list(),
        *KeyRules.objects.filter(**ours).values_list(),
        *KeyRequest.objects.filter(**ours).values_list(),
        *Membership.objects.filter(**ours).order_by("pk").values_list(),
        *User.objects.filter(memberships__organization=acme)
        .order_by("pk")
        .values_list("pk", "email", "password", "is_active"),
        *Application.objects.filter(**ours).order_by("pk").values_list(),
        *(
            model._default_manager.filter(application__organization=acme).count()
            for model in (AccessToken, RefreshToken, Grant)
        ),
        *Webhook.objects.filter(**ours).order_by("pk").values_list(),
        *Delivery.objects.filter(webhook__organization=acme).values_list("pk"),
        *OrganizationNotifications.objects.filter(**ours).values_list(),
        *TokenFamily.objects.filter(user__memberships__organization=acme)
        .order_by("pk")
        .values_list(),
        *Agent.objects.filter(**ours).order_by("pk").values_list(),
        *AgentConfiguration.objects.filter(**ours).order_by("pk").values_list(),
        *TrailEntry.objects.filter(**ours).order_by("sequence").values_list("hash"),
        *TrailHead.objects.filter(pk=acme.pk).values_list(),
        *ActivityEvent.objects.filter(**ours).values_list("event_id", "digest"),
        *Organization.objects.filter(pk=acme.pk).values_list(),
    ]


def guises(mallory: User, agent_key: Issued, public_key: Issued, application: Program) -> list[Any]:
    """A signed-in browser, two keys, a user token, an application's token, no credential."""
    browser = Client(raise_request_exception=False)
    browser.force_login(mallory)
    session = browser.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session["account_authentication_methods_user"] = str(mallory.pk)
    session.save()
    tokens = signed_in(mallory).access, application.own_token().json()["access_token"]
    return [
        browser,
        api(agent_key),
        api(public_key),
        *(api(HTTP_AUTHORIZATION=f"Bearer {token}") for token in tokens),
        api(),
    ]


def breaches(route: str, theirs: str, nobodys: str, guise: Client) -> Iterator[str]:
    """Yield what `guise` learns from Acme's address, or from comparing it with a missing one."""
    # One permission check guards all forty addresses of the Django admin, so two methods are
    # enough.
    for method in ("get", "post") if route.startswith("/admin/") else METHODS:
        cache.clear()  # otherwise sign-in limits would answer the second of two equal requests
        found = getattr(guise, method)(theirs)
        missing = getattr(guise, method)(nobodys) if nobodys != theirs else found
        body = b"".join(found) if found.streaming else found.content
        marks = [mark for mark in MARKS if mark.encode() in body]
        names_acme = "{slug}" in route or "_id}" in route
        if (
            found.status_code >= 500
            or marks
            or (names_acme and found.status_code in range(200, 300))
        ):
            yield f"{method} {theirs}: {found.status_code} {marks}"
        if found.status_code != missing.status_code:
            yield f"{method} {theirs}: {found.status_code}, but {missing.status_code} if missing"


def test_mallory_gets_nothing_of_acmes(
    *, loot: Loot, acme: Organization, globex: Organization, mallory: User,
    globex_agent_key: Issued, globex_public_key: Issued,
) -> None:  # fmt: skip
    hers = service_of(globex, mallory, "read:audit-activity")
    before = acmes_rows(acme)
    found: list[str] = []
    for route in routes():
        for theirs, nobodys in addresses(route, loot):
            for guise in guises(mallory, globex_agent_key, globex_public_key, hers):
                found += breaches(route, theirs, nobodys, guise)
    assert found == []
    assert acmes_rows(acme) == before


def test_walk_finds_breaches_if_there_are_any(
    loot: Loot, acme: Organization, alice: User, agent_key: Issued, public_key: Issued
) -> None:
    """Alice has access, so the same walk must find much. Otherwise it would prove nothing."""
    found: list[str] = []
    program = service_of(acme, alice, "read:audit-activity")
    for route in routes():
        if route.startswith("/o/"):
            for theirs, nobodys in addresses(route, loot):
                found += breaches(
                    route, theirs, nobodys, guises(alice, agent_key, public_key, program)[0]
                )
    assert len(found) > 10
