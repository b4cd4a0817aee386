from datetime import datetime, timedelta, timezone

import pytest

from apikeys.api.whoami import WhoamiSerializer
from apikeys.services import Issued
from tests.conftest import IssueKey, api

pytestmark = pytest.mark.django_db


def test_whoami_describes_a_public_key(public_key: Issued) -> None:
    answer, owner = api(public_key).get("/api/v1/whoami"), public_key.key.owner
    assert owner
    assert answer.status_code == 200
    body = answer.json()
    assert [limit["limit"] for limit in body.pop("limits")] == ["key", "organization"]
    assert body == {
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
        "owner": {"id": owner.user.public_id, "email": "bob@acme.example"},
        "scopes": ["read:audit-activity"],
        "expires_at": None,
        "rotating_out": False,
        "rotating_out_at": None,
    }


def test_whoami_describes_an_agent_key(agent_key: Issued) -> None:
    answer = api(agent_key).get("/api/v1/whoami").json()
    assert answer["owner"] is None
    assert answer["scopes"] == ["read:agent-config", "write:agent-events", "write:agent-heartbeat"]


def test_whoami_matches_its_serializer(public_key: Issued) -> None:
    body = api(public_key).get("/api/v1/whoami").json()
    described = WhoamiSerializer().fields
    assert list(body) == list(described)
    for name in ("organization", "owner"):
        assert list(body[name]) == list(described[name].fields)  # type: ignore[attr-defined]
    assert list(body["limits"][0]) == list(described["limits"].child.fields)  # type: ignore[attr-defined]


def test_whoami_returns_the_expiry_in_utc(issue_public_key: IssueKey) -> None:
    issued = issue_public_key(
        expires_at=datetime(2031, 1, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=2)))
    )
    assert api(issued).get("/api/v1/whoami").json()["expires_at"] == "2031-01-31T21:59:59Z"
