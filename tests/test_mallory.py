"""Mallory, admin at Globex, tries every address with everything she has, and gets nothing of Acme's.

The routes come from the URLconf: a new one is covered on arrival, and one with a parameter that this
file cannot fill fails until it is taught here.
"""

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from django.utils import timezone
from django.utils.regex_helper import normalize

from apikeys.models import Key, Secret
from apikeys.oauth import services as oauth
from apikeys.oauth.models import AccessToken, Application, Grant, Purpose, RefreshToken
from apikeys.services import Issued
from audit.ids import encode, uuid7
from audit.models import ActivityEvent, TrailEntry, TrailHead
from tenants import agents
from tenants.models import Agent, AgentConfiguration, Membership, Organization, User
from tests.conftest import SYSTEM, IssueKey, api, membership_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
# Parameters that name nothing of a tenant's: those of allauth's and of the Django admin's own pages.
NEUTRAL = {
    "key": "1-abc",
    "uidb36": "1",
    "app_label": "apikeys",
    "object_id": "1",
    "content_type_id": "1",
    "url": "x",
    "pk": "1",
}
# What Acme has and nobody else may read. Names of the cast are not among them: a URL may say "acme" to who typed it.
MARKS = ("sql-acme-77", "acme_crown_jewels", "bob@acme", "carol@acme", "Acme agent", "Acme script", "Acme ledger")


@pytest.fixture
def loot(
    acme: Organization, bob: User, carol: User, issue_agent_key: IssueKey, issue_public_key: IssueKey
) -> dict[str, list[str]]:
    """What Acme has, by the name of the URL parameter that would ask for it."""
    agent_key, script = issue_agent_key(name="Acme agent"), issue_public_key(name="Acme script")
    event = ActivityEvent.objects.create(
        organization_id=acme.pk, environment="live", event_id=uuid7(), event_time=timezone.now(), received_at=timezone.now(),
        host="sql-acme-77", action_id="SL", succeeded=True, statement="SELECT acme_crown_jewels", digest=b"0" * 16,
    )  # fmt: skip
    draft = oauth.Draft(name="Acme ledger", purpose=Purpose.SERVICE, scopes=["read:audit-activity"])
    application = oauth.register(organization=acme, draft=draft, by=SYSTEM, created_by=bob).application
    presence = agents.Presence(acme.pk, "live", agent_key.key.pk, timezone.now(), SYSTEM)
    agent = agents.heartbeat(presence, host="sql-acme-77", version="1", configuration_version=1, queue_depth=0)
    return {
        "slug": ["acme"],
        "organization_id": [acme.public_id],
        "key_id": [agent_key.key.public_id, script.key.public_id],
        "membership_id": [membership_of(bob).public_id],
        "event_id": [encode("evt", event.event_id)],
        "agent_id": [agent.public_id],
        "application_id": [application.public_id],
    }


def routes(patterns: Any, before: str = "/") -> Iterator[str]:
    """Every address of the URLconf as a template: ``/o/{slug}/activity/``."""
    for pattern in patterns:
        address = before + _template(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            yield address


def _template(pattern: Any) -> str:
    if isinstance(pattern, RoutePattern):
        return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", str(pattern))
    return normalize(pattern.regex.pattern)[0][0].replace("%(", "{").replace(")s", "}")


def addresses(route: str, loot: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """The route filled with Acme's ids, each beside the same with ids that do not exist."""
    names = re.findall(r"{(\w+)}", route)
    unknown = [name for name in names if name not in loot and name not in NEUTRAL]
    assert not unknown, f"{route}: teach tests/test_mallory.py to fill {unknown}"
    count = max((len(loot[name]) for name in names if name in loot), default=1)
    for number in range(count):
        theirs = {name: loot[name][number % len(loot[name])] for name in names if name in loot}
        nobodys = {name: _like(value) for name, value in theirs.items()}
        yield route.format(**NEUTRAL | theirs), route.format(**NEUTRAL | nobodys)


def _like(value: str) -> str:
    prefix, _, rest = value.partition("_")
    return encode(prefix, uuid.uuid4()) if rest else "nowhere"


def acmes_rows(acme: Organization) -> list[Any]:
    """All that Acme owns. The last use of a key is not a change to it."""
    ours = {"organization_id": acme.pk}
    keys = Key.objects.filter(**ours).defer("last_used_at", "last_used_ip").order_by("pk")
    return [
        *keys.values_list("pk", "name", "scopes", "expires_at", "paused_at", "revoked_at"),
        *Secret.objects.filter(key__organization=acme).order_by("pk").values_list(),
        *Membership.objects.filter(**ours).order_by("pk").values_list(),
        *User.objects.filter(memberships__organization=acme).order_by("pk").values_list("pk", "email", "password", "is_active"),
        *Application.objects.filter(**ours).order_by("pk").values_list(),
        *(rows.count() for rows in (AccessToken.objects, RefreshToken.objects, Grant.objects)),
        *Agent.objects.filter(**ours).order_by("pk").values_list(),
        *AgentConfiguration.objects.filter(**ours).order_by("pk").values_list(),
        *TrailEntry.objects.filter(**ours).order_by("sequence").values_list("hash"),
        *TrailHead.objects.filter(pk=acme.pk).values_list(),
        *ActivityEvent.objects.filter(**ours).values_list("event_id", "digest"),
        *Organization.objects.filter(pk=acme.pk).values_list(),
    ]


def guises(mallory: User, agent_key: Issued, public_key: Issued) -> list[Any]:
    """Her browser just signed in, her two keys, and nothing at all."""
    browser = Client(raise_request_exception=False)
    browser.force_login(mallory)
    session = browser.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session["account_authentication_methods_user"] = str(mallory.pk)
    session.save()
    return [browser, api(agent_key), api(public_key), api()]


def breaches(route: str, theirs: str, nobodys: str, guise: Client) -> Iterator[str]:
    """What `guise` got out of Acme's address that it must not get."""
    # Behind the Django admin's one door are forty addresses of its own and of libraries'.
    for method in ("get", "post") if route.startswith("/admin/") else METHODS:
        cache.clear()  # or the limits of sign-in would answer for the second of two equal requests
        found, missing = getattr(guise, method)(theirs), getattr(guise, method)(nobodys)
        body = b"".join(found) if found.streaming else found.content
        told = [mark for mark in MARKS if mark.encode() in body]
        names_acme = "{slug}" in route or "_id}" in route
        if found.status_code >= 500 or told or (names_acme and found.status_code in range(200, 300)):
            yield f"{method} {theirs}: {found.status_code} {told}"
        if found.status_code != missing.status_code:
            yield f"{method} {theirs}: {found.status_code}, but {missing.status_code} for what does not exist"


def test_mallory_gets_nothing_of_acmes(
    loot: dict[str, list[str]], acme: Organization, mallory: User, globex_agent_key: Issued, globex_public_key: Issued
) -> None:
    before = acmes_rows(acme)
    found = []
    for route in sorted(set(routes(get_resolver().url_patterns))):
        for theirs, nobodys in addresses(route, loot):
            for guise in guises(mallory, globex_agent_key, globex_public_key):
                found += breaches(route, theirs, nobodys, guise)
    assert found == []
    assert acmes_rows(acme) == before


def test_the_walk_would_notice(loot: dict[str, list[str]], alice: User, agent_key: Issued, public_key: Issued) -> None:
    """The same walk by alice, who may: it must find much, or it looks at nothing."""
    found = []
    for route in sorted(set(routes(get_resolver().url_patterns))):
        if route.startswith("/o/"):
            for theirs, nobodys in addresses(route, loot):
                found += breaches(route, theirs, nobodys, guises(alice, agent_key, public_key)[0])
    assert len(found) > 10
