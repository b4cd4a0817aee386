"""Database activity shows each matching event once, and no event of another organization."""

import itertools
import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.signing import Signer
from django.test import Client

from audit.activity.views import PAGE_SIZE
from audit.models import ActivityEvent
from config.lib.ids import encode
from tenants.models import Organization, User
from tests.conftest import client_of

PAGE = "/o/acme/activity/"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def happened(
    organization: Organization, *, at: datetime = NOON, environment: str = "live", **facts: Any
) -> ActivityEvent:
    defaults = {
        "host": "sql-prod-01",
        "action_id": "SL",
        "action_name": "SELECT",
        "succeeded": True,
        "digest": b"0" * 16,
    }
    return ActivityEvent.objects.create(
        organization_id=organization.pk,
        environment=environment,
        event_id=uuid.uuid4(),
        event_time=at,
        received_at=at,
        **(defaults | facts),
    )


@pytest.fixture
def reader(bob: User) -> Client:
    return client_of(bob)


def shown(html: str) -> list[str]:
    """Return the ids of the events on a page, in order."""
    return re.findall(r'href="/o/acme/activity/(evt_[0-9a-z]+)/', html)


def link(html: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', html)
    return unescape(found[1]) if found else None


def walk(reader: Client, query: str, rel: str) -> list[list[str]]:
    pages, address = [], query
    while True:
        html = reader.get(PAGE + address).content.decode()
        pages.append(shown(html))
        if not (address := link(html, rel) or ""):
            return pages


def ids(events: list[ActivityEvent]) -> list[str]:
    return [encode("evt", event.event_id) for event in events]


def test_paging_shows_each_event_once_during_inserts(acme: Organization, reader: Client) -> None:
    # Many events share a time, so the id decides their order.
    events = [
        happened(acme, at=NOON - timedelta(seconds=number // 7))
        for number in range(2 * PAGE_SIZE + 20)
    ]
    seen = shown(first := reader.get(PAGE).content.decode())
    happened(acme, at=NOON + timedelta(hours=1))
    seen += [one for page in walk(reader, link(first, "next") or "", "next") for one in page]
    assert len(seen) == len(events)
    assert set(seen) == set(ids(events))


def test_going_back_shows_the_same_pages(acme: Organization, reader: Client) -> None:
    for number in range(2 * PAGE_SIZE + 20):
        happened(acme, at=NOON - timedelta(seconds=number))
    forth = walk(reader, "", "next")
    last = PAGE + (link(reader.get(PAGE).content.decode(), "next") or "")
    second = reader.get(last).content.decode()
    assert shown(second) == forth[1]
    assert shown(reader.get(PAGE + (link(second, "prev") or "")).content.decode()) == forth[0]


def test_span_is_fixed_across_pages(
    acme: Organization, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = itertools.count()
    monkeypatch.setattr(
        "audit.activity.forms.timezone",
        SimpleNamespace(now=lambda: NOON + timedelta(minutes=next(minutes))),
    )
    events = [
        happened(acme, at=NOON - timedelta(minutes=number / 2)) for number in range(PAGE_SIZE + 30)
    ]
    happened(acme, at=NOON - timedelta(hours=2))
    pages = walk(reader, "?span=1h", "next")
    assert [one for page in pages for one in page] == ids(events)


@pytest.mark.parametrize(
    ("query", "facts"),
    [
        ({"actor": "svc_billing"}, {"server_principal_name": "svc_billing"}),
        ({"action": "DL"}, {"action_id": "DL"}),
        ({"action": "DELETE"}, {"action_name": "DELETE"}),
        ({"database": "Ledger"}, {"database_name": "Ledger"}),
        ({"object": "Payments"}, {"object_name": "Payments"}),
        ({"success": "false"}, {"succeeded": False}),
        ({"client_ip": "10.9.9.9"}, {"client_ip": "10.9.9.9"}),
        ({"q": "100%_sure"}, {"statement": "UPDATE t SET x = '100%_SURE'"}),
        ({"since": "2026-11-20T12:01"}, {"at": NOON + timedelta(minutes=1)}),
        ({"until": "2026-11-20T12:00"}, {"at": NOON - timedelta(microseconds=1)}),
        ({"environment": "test"}, {"environment": "test"}),
    ],
)
def test_filter_shows_exactly_the_matches(
    acme: Organization, reader: Client, query: dict[str, str], facts: dict[str, Any]
) -> None:
    wanted = happened(acme, **facts)
    happened(acme, statement="100 percent sure")
    assert shown(reader.get(PAGE, query).content.decode()) == ids([wanted])


def test_times_use_the_users_zone(acme: Organization, bob: User, reader: Client) -> None:
    bob.time_zone = "Asia/Kolkata"
    bob.save()
    happened(acme)
    html = reader.get(PAGE, {"since": "2026-11-20T17:30"}).content.decode()
    title = "2026-11-20 12:00:00 UTC"
    assert f'title="{title}">20 Nov 2026, 17:30:00</time>' in html
    assert f'<time datetime="2026-11-20T12:00:00Z" title="{title}">' in html
    assert not shown(reader.get(PAGE, {"since": "2026-11-20T17:31"}).content.decode())


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "0001-01-01T00:00"},
        {"until": "9999-12-31T23:59"},
        {"since": "2026-11-20T12:00", "until": "2026-11-20T12:00"},
        {"q": "x" * 257},
        {"q": "nul\0"},
        {"span": "1y"},
        {"success": "perhaps"},
        {"environment": "staging"},
        {"span": "1h", "at": "0001-01-01T00:00:00Z"},
    ],
)
def test_invalid_filter_is_explained_and_kept(
    acme: Organization, bob: User, reader: Client, query: dict[str, str]
) -> None:
    bob.time_zone = "Asia/Kolkata"
    bob.save()
    happened(acme)
    assert shown(reader.get(PAGE, {"actor": ""}).content.decode())
    response = reader.get(PAGE, query | {"actor": "svc_typed"})
    html = response.content.decode()
    assert response.status_code == 200
    assert "There is a problem" in html
    assert 'value="svc_typed"' in html
    assert not shown(html)


def test_foreign_cursor_is_explained(acme: Organization, reader: Client) -> None:
    for number in range(PAGE_SIZE + 1):
        happened(acme, at=NOON - timedelta(seconds=number), server_principal_name="svc")
    following = link(reader.get(PAGE).content.decode(), "next") or ""
    assert shown(reader.get(PAGE + following).content.decode())
    forged = Signer(salt="guess").sign("older.0." + "0" * 32)
    for address in (f"{following}&actor=svc", f"?cursor={forged}", "?cursor=x"):
        response = reader.get(PAGE + address)
        assert response.status_code == 200
        assert "This link is no longer valid" in response.content.decode()


def test_empty_and_no_match_differ(acme: Organization, alice: User, reader: Client) -> None:
    assert "No database activity yet" in reader.get(PAGE).content.decode()
    assert "/o/acme/agents/api-keys/new/" not in reader.get(PAGE).content.decode()
    assert "/o/acme/agents/api-keys/new/" in client_of(alice).get(PAGE).content.decode()
    happened(acme)
    html = reader.get(PAGE, {"actor": "nobody"}).content.decode()
    assert "No events match" in html
    assert "Clear filters" in html


def test_activity_page_escapes_hostile_values(acme: Organization, reader: Client) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    event = happened(
        acme,
        action_name=hostile,
        statement=hostile,
        server_principal_name=hostile,
        object_name=hostile,
        host=hostile,
        additional_information=hostile,
    )
    for address in (
        PAGE,
        f"{PAGE}{encode('evt', event.event_id)}/",
        f"{PAGE}?actor={hostile}&q={hostile}",
    ):
        html = reader.get(address).content.decode()
        assert "&lt;script&gt;alert(1)" in html
        assert "<script>alert" not in html
        assert "<img" not in html


def test_event_page_shows_every_field(acme: Organization, reader: Client) -> None:
    event = happened(acme, statement="SELECT 1", application_name="billing-api", session_id="77")
    html = reader.get(f"{PAGE}{encode('evt', event.event_id)}/").content.decode()
    for fact in (
        "SELECT 1",
        "billing-api",
        "77",
        "sql-prod-01",
        str(event.event_id),
        "2026-11-20 12:00:00.000000 UTC",
    ):
        assert fact in html


def test_event_of_another_tenant_or_environment_is_404(
    acme: Organization, globex: Organization, reader: Client
) -> None:
    own, foreign, test = happened(acme), happened(globex), happened(acme, environment="test")
    assert reader.get(f"{PAGE}{encode('evt', own.event_id)}/").status_code == 200
    assert reader.get(f"{PAGE}{encode('evt', test.event_id)}/?environment=test").status_code == 200
    assert reader.get(f"{PAGE}{encode('evt', foreign.event_id)}/").status_code == 404
    assert reader.get(f"{PAGE}{encode('evt', test.event_id)}/").status_code == 404


def test_only_members_read_activity(
    acme: Organization, reader: Client, mallory: User, staff: User
) -> None:
    happened(acme)
    assert shown(reader.get(PAGE).content.decode())
    assert client_of(mallory).get(PAGE).status_code == 404
    # Staff manage every organization's agents, not its data.
    assert client_of(staff).get(PAGE).status_code == 403
    assert Client().get(PAGE).headers["Location"].startswith("/accounts/login/")
