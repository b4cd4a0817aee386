"""The agent configuration page: validation, versions and conflicting edits."""

from typing import Any

import pytest

from audit.models import TrailEntry
from tenants.agents import services as agents
from tenants.models import AgentConfiguration, Organization, User
from tests.conftest import SYSTEM, client_of

pytestmark = pytest.mark.django_db
PAGE = "/o/acme/agents/configuration/"


def fields(**changes: Any) -> dict[str, Any]:
    return {"version": "1", "heartbeat_interval_seconds": "60", "batch_size": "1000", **changes}


def versions(organization: Organization) -> list[int]:
    return list(
        AgentConfiguration.objects.filter(organization=organization).values_list(
            "version", flat=True
        )
    )


def test_change_makes_a_trailed_version(
    acme: Organization, globex: Organization, alice: User
) -> None:
    data = fields(
        heartbeat_interval_seconds="30",
        common_actions=["LGIF", "DR"],
        other_actions="VACUUM\r\n\r\nvacuum\r\nCREATE DATABASE",
        include_objects="*.hr.*\r\nsales.dbo.orders",
        exclude_objects=" *.*.tmp_? ",
    )
    response = client_of(alice).post(PAGE, data, follow=True)
    assert "Saved version 2" in response.content.decode()
    saved = agents.configuration_in_force(acme.pk)
    assert (saved.version, saved.heartbeat_interval_seconds, saved.batch_size) == (2, 30, 1000)
    assert saved.actions == ["LGIF", "DR", "VACUUM", "CREATE DATABASE"]
    assert (saved.include_objects, saved.exclude_objects) == (
        ["*.hr.*", "sales.dbo.orders"],
        ["*.*.tmp_?"],
    )
    assert saved.created_by == alice.email
    assert (
        TrailEntry.objects.filter(
            organization_id=acme.pk, action="agent_configuration.changed"
        ).count()
        == 1
    )
    assert versions(globex) == [1]


def test_unchanged_save_makes_no_version(acme: Organization, alice: User) -> None:
    assert (
        "There was nothing to save"
        in client_of(alice).post(PAGE, fields(), follow=True).content.decode()
    )
    assert versions(acme) == [1]


def test_form_shows_the_current_version(acme: Organization, alice: User) -> None:
    changes = {"actions": ["SL", "VACUUM"], "include_objects": ["a.b.c", "d.e.f"]}
    agents.change_configuration(
        current=agents.configuration_in_force(acme.pk), changes=changes, by=SYSTEM
    )
    html = client_of(alice).get(PAGE).content.decode()
    assert 'value="SL" checked' in html
    assert 'value="IN">' in html
    assert "VACUUM</textarea>" in html
    assert "a.b.c\nd.e.f</textarea>" in html
    assert '<span class="badge badge-info">Version 2</span>' in html


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"heartbeat_interval_seconds": "4"}, "heartbeat_interval_seconds"),
        ({"heartbeat_interval_seconds": "3601"}, "heartbeat_interval_seconds"),
        ({"heartbeat_interval_seconds": "1e400"}, "heartbeat_interval_seconds"),
        ({"batch_size": "0"}, "batch_size"),
        ({"batch_size": "10001"}, "batch_size"),
        ({"batch_size": ""}, "batch_size"),
        ({"common_actions": ["nonsense"]}, "common_actions"),
        ({"other_actions": "x" * 17}, "other_actions"),
        ({"other_actions": "SL;DROP"}, "other_actions"),
        ({"other_actions": "é"}, "other_actions"),
        ({"other_actions": "\n".join(f"A{n}" for n in range(201))}, "other_actions"),
        ({"include_objects": "hr"}, "include_objects"),
        ({"include_objects": "a.b.c.d"}, "include_objects"),
        ({"include_objects": "a..c"}, "include_objects"),
        ({"include_objects": "a.b.c\u202e"}, "include_objects"),
        ({"exclude_objects": "a.b." + "c" * 300}, "exclude_objects"),
        ({"exclude_objects": "good.one.here\nbad"}, "exclude_objects"),
        ({"version": "x"}, "version"),
        ({"version": "-1"}, "version"),
    ],
)
def test_invalid_configuration_is_refused(
    acme: Organization, alice: User, changes: dict[str, Any], field: str
) -> None:
    client = client_of(alice)
    response = client.post(PAGE, fields(heartbeat_interval_seconds="45") | changes)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert versions(acme) == [1]
    assert client.post(PAGE, fields(heartbeat_interval_seconds="45")).status_code == 302
    assert versions(acme) == [2, 1]


def test_form_error_names_the_line(alice: User) -> None:
    response = client_of(alice).post(PAGE, fields(exclude_objects="good.one.here\n\nbad"))
    assert "Line 2: use database.schema.object" in response.content.decode()


def test_stale_save_conflicts_and_keeps_the_input(acme: Organization, alice: User) -> None:
    in_force = agents.configuration_in_force(acme.pk)
    agents.change_configuration(current=in_force, changes={"batch_size": 77}, by=SYSTEM)
    client = client_of(alice)
    response = client.post(PAGE, fields(heartbeat_interval_seconds="45", include_objects="a.b.c"))
    html = response.content.decode()
    assert response.status_code == 409
    assert "tests saved version 2 first" in html
    assert 'name="heartbeat_interval_seconds" value="45"' in html
    assert "a.b.c</textarea>" in html
    assert versions(acme) == [2, 1]
    assert 'name="version" value="2"' in html
    again = client.post(
        PAGE, fields(heartbeat_interval_seconds="45", include_objects="a.b.c", version="2")
    )
    assert again.status_code == 302
    assert agents.configuration_in_force(acme.pk).batch_size == 1000


@pytest.mark.parametrize("version", ["2", "99", str(10**30)])
def test_unknown_version_is_a_conflict(acme: Organization, alice: User, version: str) -> None:
    assert client_of(alice).post(PAGE, fields(version=version, batch_size="5")).status_code == 409
    assert versions(acme) == [1]


def test_auditor_reads_but_cannot_change(acme: Organization, carol: User, alice: User) -> None:
    client = client_of(carol)
    html = client.get(PAGE).content.decode()
    assert "Save configuration" not in html
    assert "60 seconds" in html
    assert client.post(PAGE, fields(batch_size="5")).status_code == 403
    assert versions(acme) == [1]
    assert client_of(alice).post(PAGE, fields(batch_size="5")).status_code == 302


def test_only_admins_and_staff_may_change(acme: Organization, bob: User, mallory: User) -> None:
    assert client_of(bob).post(PAGE, fields(batch_size="5")).status_code == 403
    assert client_of(mallory).post(PAGE, fields(batch_size="5")).status_code == 404
    assert versions(acme) == [1]


def test_history_lists_every_version(acme: Organization, alice: User) -> None:
    for size in range(1, 25):
        in_force = agents.configuration_in_force(acme.pk)
        agents.change_configuration(current=in_force, changes={"batch_size": size}, by=SYSTEM)
    client = client_of(alice)
    assert [v.version for v in client.get(PAGE).context["versions"]] == list(range(25, 5, -1))
    assert [v.version for v in client.get(f"{PAGE}?page=2").context["versions"]] == [5, 4, 3, 2, 1]
