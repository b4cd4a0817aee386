from datetime import datetime, timedelta, timezone

import pytest

from apikeys.api.whoami import WhoamiSerializer
from apikeys.services import Issued
from tests.conftest import IssueKey, api

pytestmark = pytest.mark.django_db


def test_whoami_tells_a_public_key_what_it_is(public_key: Issued) -> None:
    answer = api(public_key).get("/api/v1/whoami")
    assert answer.status_code == 200
    told = answer.json()
    assert [limit["limit"] for limit in told.pop("limits")] == ["key", "organization"]
    assert told == {
        "key_id": public_key.key.public_id,
        "application_id": None,
        "name": "SIEM Integration",
        "kind": "public",
        "environment": "live",
        "organization": {
            "id": public_key.key.organization.public_id,
            "name": "Acme",
            "slug": "acme",
        },
        "owner": {"id": public_key.key.owner.user.public_id, "email": "bob@acme.example"},
        "scopes": ["read:audit-activity"],
        "expires_at": None,
        "rotating_out_at": None,
    }


def test_whoami_tells_an_agent_key_its_fixed_scopes_and_no_owner(agent_key: Issued) -> None:
    answer = api(agent_key).get("/api/v1/whoami").json()
    assert answer["owner"] is None
    assert answer["scopes"] == ["read:agent-config", "write:agent-events", "write:agent-heartbeat"]


def test_whoami_answers_what_its_description_says(public_key: Issued) -> None:
    told = api(public_key).get("/api/v1/whoami").json()
    described = WhoamiSerializer().fields
    assert list(told) == list(described)
    for name in ("organization", "owner"):
        assert list(told[name]) == list(described[name].fields)  # type: ignore[attr-defined]
    assert list(told["limits"][0]) == list(described["limits"].child.fields)  # type: ignore[attr-defined]


def test_whoami_tells_the_expiry_in_utc(issue_public_key: IssueKey) -> None:
    issued = issue_public_key(
        expires_at=datetime(2031, 1, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=2)))
    )
    assert api(issued).get("/api/v1/whoami").json()["expires_at"] == "2031-01-31T21:59:59Z"
