"""Mallory, admin at Globex, tries every address with everything she has, and gets nothing of Acme's.

The routes come from the URLconf: a new one is covered on arrival, and one with a parameter that this
file cannot fill fails until it is taught here.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apikeys.models import Key, Secret
from apikeys.oauth.models import AccessToken, Application, Grant, RefreshToken
from apikeys.services import Issued
from audit.models import ActivityEvent, TrailEntry, TrailHead
from tenants.models import Agent, AgentConfiguration, Membership, Organization, TokenFamily, User
from tests.apikeys.oauth.flow import Program, service_of
from tests.conftest import Loot, api
from tests.routes import addresses, routes
from tests.tenants.tokens.forge import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
# What Acme has and nobody else may read. Names of the cast are not among them: a URL may say "acme" to who typed it.
MARKS = (
    "sql-acme-77",
    "acme_crown_jewels",
    "bob@acme",
    "carol@acme",
    "Acme agent",
    "Acme script",
    "Acme ledger",
    "acme-ledger-import",
)


def acmes_rows(acme: Organization) -> list[Any]:
    """All that Acme owns. The last use of a key is not a change to it."""
    ours = {"organization_id": acme.pk}
    keys = Key.objects.filter(**ours).defer("last_used_at", "last_used_ip").order_by("pk")
    return [
        *keys.values_list("pk", "name", "scopes", "expires_at", "paused_at", "revoked_at"),
        *Secret.objects.filter(key__organization=acme).order_by("pk").values_list(),
        *Membership.objects.filter(**ours).order_by("pk").values_list(),
        *User.objects.filter(memberships__organization=acme)
        .order_by("pk")
        .values_list("pk", "email", "password", "is_active"),
        *Application.objects.filter(**ours).order_by("pk").values_list(),
        *(
            rows.filter(application__organization=acme).count()
            for rows in (AccessToken.objects, RefreshToken.objects, Grant.objects)
        ),
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
    """Her browser just signed in, her two keys, her user token, her application's token, and nothing at all."""
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
    """What `guise` got out of Acme's address that it must not get."""
    # Behind the Django admin's one door are forty addresses of its own and of libraries'.
    for method in ("get", "post") if route.startswith("/admin/") else METHODS:
        cache.clear()  # or the limits of sign-in would answer for the second of two equal requests
        found = getattr(guise, method)(theirs)
        missing = getattr(guise, method)(nobodys) if nobodys != theirs else found
        body = b"".join(found) if found.streaming else found.content
        told = [mark for mark in MARKS if mark.encode() in body]
        names_acme = "{slug}" in route or "_id}" in route
        if (
            found.status_code >= 500
            or told
            or (names_acme and found.status_code in range(200, 300))
        ):
            yield f"{method} {theirs}: {found.status_code} {told}"
        if found.status_code != missing.status_code:
            yield f"{method} {theirs}: {found.status_code}, but {missing.status_code} for what does not exist"


def test_mallory_gets_nothing_of_acmes(
    *, loot: Loot, acme: Organization, globex: Organization, mallory: User, globex_agent_key: Issued, globex_public_key: Issued,
) -> None:  # fmt: skip
    hers = service_of(globex, mallory, "read:audit-activity")
    before = acmes_rows(acme)
    found = []
    for route in routes():
        for theirs, nobodys in addresses(route, loot):
            for guise in guises(mallory, globex_agent_key, globex_public_key, hers):
                found += breaches(route, theirs, nobodys, guise)
    assert found == []
    assert acmes_rows(acme) == before


def test_the_walk_would_notice(
    loot: Loot, acme: Organization, alice: User, agent_key: Issued, public_key: Issued
) -> None:
    """The same walk by alice, who may: it must find much, or it looks at nothing."""
    found, program = [], service_of(acme, alice, "read:audit-activity")
    for route in routes():
        if route.startswith("/o/"):
            for theirs, nobodys in addresses(route, loot):
                found += breaches(
                    route, theirs, nobodys, guises(alice, agent_key, public_key, program)[0]
                )
    assert len(found) > 10
