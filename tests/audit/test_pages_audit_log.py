"""The Audit log page and its exports: access, content, and the record of each export."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from apikeys import services as keys
from apikeys.services import Issued
from audit import trail
from audit.models import TrailEntry, TrailHead
from audit.trail.actions import Action
from audit.trail.actor import Actor, Target
from audit.trail.views import EXPORTED, PAGE_SIZE
from tenants.access import actor
from tenants.models import Organization, User
from tests.conftest import IssueKey, client_of

PAGE = "/o/acme/audit-log/"


@pytest.fixture
def auditor(carol: User) -> Client:
    return client_of(carol)


def shown(html: str) -> list[int]:
    """Return the sequence numbers on a page, in order."""
    return [
        int(number.replace(",", ""))
        for number in re.findall(r'title="Hash [0-9a-f]{64}">([\d,]+) ', html)
    ]


def link(html: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', html)
    return unescape(found[1]) if found else None


def grow(organization: Organization, count: int) -> None:
    for number in range(count):
        record(organization, name=f"Entry {number}")


def record(organization: Organization, *, name: str = "x", **data: Any) -> TrailEntry:
    by = Actor(kind="user", id="usr_1", name="dora@acme.example", address="10.0.0.9")
    with transaction.atomic():
        target = Target(kind="key", id="key_1", name=name)
        return trail.record(
            Action.KEY_PAUSED, organization=organization.pk, by=by, target=target, data=data
        )


def entries(organization: Organization) -> list[TrailEntry]:
    return list(trail.entries_of(organization.pk))


def exported(client: Client, **query: str) -> str:
    response = client.get(PAGE, query)
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


def test_details_show_lists_and_empty_values_in_words(acme: Organization, auditor: Client) -> None:
    record(
        acme,
        scopes=["read:audit-activity", "read:<b>"],
        allowed_cidrs=[],
        expires_at=None,
        owner="bob@acme.example",
        kind="agent",
        count=0,
        is_paused=False,
        filter={"networks": ["10.0.0.0/8", "10.1.0.0/16"], "label": ""},
    )
    html = auditor.get(PAGE).content.decode()
    for name, shown in (
        ("Scopes", "Read Audit Activity, read:&lt;b&gt;"),
        ("Networks", '<span class="muted">none</span>'),
        ("Expires", '<span class="muted">never</span>'),
        ("Owner", "bob@acme.example"),
        ("Kind", "Agent key"),
        ("Count", "0"),
        ("Is paused", "no"),
    ):
        assert f"<dt>{name}</dt><dd>{shown}</dd>" in html, name
    assert '<span class="muted">Networks</span> 10.0.0.0/8, 10.1.0.0/16</span>' in html
    assert '<span class="muted">Label</span> <span class="muted">none</span>' in html


def test_details_show_changes_and_times_in_the_users_zone(
    acme: Organization, carol: User, auditor: Client
) -> None:
    User.objects.filter(pk=carol.pk).update(time_zone="Asia/Kolkata")
    record(
        acme,
        expires_at={"from": None, "to": "2027-01-31T18:30:00+00:00"},
        odd_at={"from": "soon", "to": ["<x>", None, {"a": 1}]},
    )
    html = auditor.get(PAGE).content.decode()
    assert '<span class="muted">never</span> <span aria-hidden="true">→</span>' in html
    assert ">1 Feb 2027, 00:00:00</time>" in html
    assert "&lt;x&gt;, None, " in html


def test_audit_log_roles(
    alice: User, bob: User, mallory: User, staff: User, auditor: Client
) -> None:
    assert auditor.get(PAGE).status_code == 200
    assert client_of(alice).get(PAGE).status_code == 200
    assert client_of(bob).get(PAGE).status_code == 403
    assert client_of(staff).get(PAGE).status_code == 403
    assert client_of(mallory).get(PAGE).status_code == 404
    assert Client().get(PAGE).headers["Location"].startswith("/accounts/login/")


def test_refused_export_is_not_trailed(
    acme: Organization, bob: User, mallory: User, auditor: Client
) -> None:
    exported(auditor, format="csv")
    before = TrailEntry.objects.count()
    assert client_of(bob).get(PAGE, {"format": "csv"}).status_code == 403
    assert client_of(mallory).get(PAGE, {"format": "csv"}).status_code == 404
    assert TrailEntry.objects.count() == before


def test_paging_shows_each_entry_once_during_inserts(acme: Organization, auditor: Client) -> None:
    grow(acme, 2 * PAGE_SIZE + 10)
    total = TrailHead.objects.get(pk=acme.pk).sequence
    html = auditor.get(PAGE).content.decode()
    seen = shown(html)
    record(acme)
    while following := link(html, "next"):
        html = auditor.get(PAGE + following).content.decode()
        seen += shown(html)
    assert seen == list(range(total, 0, -1))


def test_going_back_shows_the_same_pages(acme: Organization, auditor: Client) -> None:
    grow(acme, 2 * PAGE_SIZE + 10)
    first = auditor.get(PAGE).content.decode()
    second = auditor.get(PAGE + (link(first, "next") or "")).content.decode()
    third = auditor.get(PAGE + (link(second, "next") or "")).content.decode()
    assert shown(auditor.get(PAGE + (link(third, "prev") or "")).content.decode()) == shown(second)
    assert shown(auditor.get(PAGE + (link(second, "prev") or "")).content.decode()) == shown(first)
    assert link(first, "prev") is None


def test_filters_match_the_trail(
    acme: Organization, alice: User, auditor: Client, agent_key: Issued
) -> None:
    keys.revoke(key=agent_key.key, by=actor(alice), reason="Replaced")
    revoked, issued = entries(acme)[:2]
    wanted = {
        "action": ("key.revoked", [revoked]),
        "target": (agent_key.key.public_id, [revoked, issued]),
        "actor": ("alice@", [revoked, issued]),
        "until": ((issued.occurred_at - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"), []),
    }
    for name, (value, found) in wanted.items():
        html = auditor.get(PAGE, {name: value}).content.decode()
        assert shown(html) == [entry.sequence for entry in found], name
        assert found or "No entries match" in html


@pytest.mark.parametrize(
    "query",
    [
        {"action": "key.eaten"},
        {"since": "0001-01-01T00:00"},
        {"actor": "nul\0"},
        {"before": "0"},
        {"after": "9" * 30},
        {"target": "x" * 257},
    ],
)
def test_invalid_filter_is_explained_not_exported(
    acme: Organization, auditor: Client, query: dict[str, str]
) -> None:
    assert shown(auditor.get(PAGE).content.decode())
    before = TrailEntry.objects.count()
    html = auditor.get(PAGE, query | {"format": "csv"}).content.decode()
    assert "There is a problem" in html
    assert not shown(html)
    assert TrailEntry.objects.count() == before


def test_viewing_writes_nothing(acme: Organization, auditor: Client) -> None:
    before = TrailEntry.objects.count()
    auditor.get(PAGE)
    auditor.get(PAGE, {"format": "pdf"})
    assert TrailEntry.objects.count() == before


def test_audit_log_escapes_hostile_labels(
    acme: Organization, auditor: Client, issue_agent_key: IssueKey
) -> None:
    issue_agent_key(name="<script>alert(1)</script>")
    record(
        acme,
        name="x",
        **{
            "<b>name</b>": "<img src=x onerror=alert(1)>",
            "list": ["<i>a</i>"],
            "inner": {"<u>": "<u>"},
        },
    )
    html = auditor.get(PAGE).content.decode()
    assert "&lt;script&gt;alert(1)" in html
    for tag in ("<script>alert", "<img", "<b>name", "<i>a", "<u>"):
        assert tag not in html


def test_chain_head_is_shown(acme: Organization, auditor: Client) -> None:
    head = TrailHead.objects.get(pk=acme.pk)
    newest = entries(acme)[0]
    html = auditor.get(PAGE).content.decode()
    assert head.hash == newest.hash
    assert f'<code id="chain-head">{head.hash}</code>' in html
    assert f">{newest.sequence} <code" in html


def test_export_is_trailed_before_it_is_read(
    acme: Organization, globex: Organization, carol: User, auditor: Client
) -> None:
    grow(acme, 3)
    held = entries(acme)
    bystander = entries(globex)
    text = exported(auditor, format="csv", actor="acme.example")
    newest = entries(acme)[0]
    assert (newest.action, newest.actor_name) == ("trail.exported", carol.email)
    body = json.loads(newest.body)
    assert body["data"] == {"format": "csv", "filter": {"actor": "acme.example"}}
    assert body["address"] == "127.0.0.1"
    rows = [int(row["sequence"]) for row in csv.DictReader(io.StringIO(text))]
    assert rows == [entry.sequence for entry in held if "acme.example" in entry.actor_name]
    assert entries(globex) == bystander


def test_export_spans_chunks(
    acme: Organization, auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.trail.views.EXPORT_CHUNK", 4)
    grow(acme, 10)
    held = [entry.sequence for entry in entries(acme)]
    assert [
        json.loads(line)["sequence"] for line in exported(auditor, format="ndjson").splitlines()
    ] == held


def test_csv_export_has_no_formulas(acme: Organization, auditor: Client) -> None:
    for start in "=+-@\t\r":
        record(acme, name=f"{start}cmd|' /C calc'!A0")
    rows = list(csv.DictReader(io.StringIO(exported(auditor, format="csv"), newline="")))
    assert rows[0]["target_name"].startswith("'\r")
    assert not [
        cell
        for row in rows
        for cell in row.values()
        if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]
    assert tuple(rows[0]) == EXPORTED


def test_ndjson_export_can_be_verified_alone(acme: Organization, auditor: Client) -> None:
    grow(acme, 3)
    rows = [json.loads(line) for line in exported(auditor, format="ndjson").splitlines()]
    previous = trail.GENESIS
    for row in reversed(rows):
        assert row["previous_hash"] == previous
        assert trail.chain_hash(previous, row["body"]) == row["hash"]
        previous = row["hash"]
    assert previous != trail.GENESIS


def test_export_is_an_uncached_download(acme: Organization, auditor: Client) -> None:
    response = auditor.get(PAGE, {"format": "csv"})
    assert response.headers["Content-Disposition"] == 'attachment; filename="acme-audit-log.csv"'
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
