"""Requests and responses of the management API. test_keys_api_callers has who may do what."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Issued
from apikeys.verify import hashing
from apikeys.verify.judge import Credential, verify
from config.lib.rates import Rate
from tenants.models import Organization, User
from tests.conftest import SYSTEM, IssueKey, client_of

pytestmark = pytest.mark.django_db
URL = "/api/v1/api-keys"
GOOD = {"name": "Webhook Server", "scopes": ["read:audit-activity"]}


def send(
    client: Client, path: str = "", body: object = None, method: str = "post", **headers: str
) -> Any:
    return getattr(client, method)(
        URL + path, body, content_type="application/json", headers=headers
    )


def create(client: Client, **body: object) -> Any:
    return send(client, body=GOOD | body)


def works(secret: str) -> bool:
    return isinstance(verify(secret, now=timezone.now()), Credential)


@pytest.fixture
def bobs(bob: User) -> Client:
    return client_of(bob)


def test_create_returns_the_key_and_its_secret_once(
    bobs: Client, bob: User, acme: Organization
) -> None:
    answer = create(bobs, description="nightly", allowed_cidrs=["192.0.2.7"])
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    data = answer.json()
    secret = data.pop("key")
    assert data == send(bobs, f"/{data['id']}", method="get").json()
    assert data["owner"] == {"id": bob.public_id, "email": bob.email}
    assert (data["organization_id"], data["kind"], data["environment"]) == (
        acme.public_id,
        "public",
        "live",
    )
    assert (data["allowed_cidrs"], data["scopes"], data["status"]) == (
        ["192.0.2.7/32"],
        ["read:audit-activity"],
        "active",
    )
    assert (
        data["last_used_at"],
        data["rotated_at"],
        data["revoked_at"],
        data["revoke_reason"],
    ) == (None, None, None, "")
    assert secret not in send(bobs, "", method="get").content.decode()
    assert verify(secret, now=timezone.now(), address="192.0.2.7")


def days_left(answer: Any) -> float:
    return (datetime.fromisoformat(answer.json()["expires_at"]) - timezone.now()) / timedelta(
        days=1
    )


def test_expiry_defaults_to_ninety_days(bobs: Client) -> None:
    assert days_left(create(bobs)) == pytest.approx(90, abs=0.1)
    assert days_left(create(bobs, expires_in_days=365)) == pytest.approx(365, abs=0.1)
    assert create(bobs, expires_in_days=None).json()["expires_at"] is None
    at = (timezone.now() + timedelta(days=7)).replace(microsecond=0)
    assert (
        datetime.fromisoformat(create(bobs, expires_at=at.isoformat()).json()["expires_at"]) == at
    )


BAD: list[tuple[dict[str, object], str]] = [
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"name": "x\u0000y"}, "name"),
    ({"name": "x\u202ey"}, "name"),
    ({"name": "\ud800"}, "name"),
    ({"name": 1}, "name"),
    ({"name": None}, "name"),
    ({"description": "x" * 501}, "description"),
    ({"description": "two\nlines"}, "description"),
    ({"scopes": []}, "scopes"),
    ({"scopes": "read:audit-activity"}, "scopes"),
    ({"scopes": {}}, "scopes"),
    ({"scopes": ["\u0000"]}, "scopes"),
    ({"scopes": ["x"] * 65}, "scopes"),
    ({"kind": "agent"}, "scopes"),
    ({"kind": "root"}, "kind"),
    ({"environment": "prod"}, "environment"),
    ({"expires_in_days": 31}, "expires_in_days"),
    ({"expires_in_days": True}, "expires_in_days"),
    ({"expires_in_days": -1}, "expires_in_days"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
    ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
    ({"expires_at": "2027-01-01T00:00:00Z", "expires_in_days": 30}, "expires_at"),
    ({"expires_at": "2027-01-01T00:00:00Z", "expires_in_days": None}, "expires_at"),
    ({"allowed_cidrs": ["192.0.2.1/24"]}, "allowed_cidrs"),
    ({"allowed_cidrs": ["192.0.2.0/24"] * 65}, "allowed_cidrs"),
    ({"allowed_cidrs": [None]}, "allowed_cidrs"),
    ({"id": "key_1"}, "id"),
    ({"created_by": "x"}, "created_by"),
    ({"revoked_at": None}, "revoked_at"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_invalid_field_is_named_and_issues_nothing(
    change: dict[str, object], field: str, bobs: Client
) -> None:
    answer = create(bobs, **change)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "validation_failed")
    assert list(problem["errors"]) == [field]
    assert not Key.objects.exists()


def test_all_invalid_fields_are_reported_at_once(bobs: Client) -> None:
    errors = create(bobs, name="", scopes=1, color="red", **{"<script>": 1}).json()["errors"]
    assert set(errors) == {"name", "scopes", "color", "body"}


@pytest.mark.parametrize(
    "body",
    ["x", "[]", "null", '"x"', "[" * 50_000, '{"name": "a", "name": "b"}', '{"name": NaN}', "{"],
)
def test_body_must_be_a_json_object(body: str, bobs: Client) -> None:
    answer = bobs.post(URL, body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


def test_infinite_number_is_an_invalid_field(bobs: Client) -> None:
    answer = bobs.post(
        URL,
        '{"name": "x", "scopes": ["read:audit-activity"], "expires_in_days": 1e400}',
        content_type="application/json",
    )
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["expires_in_days"])


def test_other_media_types_are_refused(bobs: Client) -> None:
    assert bobs.post(URL, GOOD).status_code == 415


@pytest.mark.parametrize(
    "scope",
    [
        "read:alerts",
        "read:reports",
        "*",
        "nothing:such",
        "write:agent-events",
        "admin",
        "read:logs",
    ],
)
def test_scope_beyond_the_role_is_refused(scope: str, bobs: Client) -> None:
    assert create(bobs).status_code == 201
    answer = create(bobs, scopes=["read:audit-activity", scope])
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_not_grantable")
    assert Key.objects.count() == 1


def test_rotate_without_grace_ends_the_old_secret(bobs: Client) -> None:
    old = create(bobs).json()
    answer = bobs.generic("POST", f"{URL}/{old['id']}/rotate")
    new = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert new["rotated_at"] == new["old_key_expires_at"] <= new["effective_at"]
    assert works(new["key"])
    assert not works(old["key"])
    assert new["mask"] != old["mask"]


def test_rotate_with_grace_keeps_the_old_secret(bobs: Client) -> None:
    old = create(bobs).json()
    new = send(bobs, f"/{old['id']}/rotate", {"grace": 3600}).json()
    assert works(new["key"])
    assert works(old["key"])
    end = datetime.fromisoformat(new["old_key_expires_at"])
    assert end - datetime.fromisoformat(new["rotated_at"]) == timedelta(hours=1)
    assert new["effective_at"] == new["old_key_expires_at"]


@pytest.mark.parametrize("grace", [-1, 604_801, "1", 1.5, None, True, 10**50])
def test_invalid_grace_is_refused(grace: object, bobs: Client) -> None:
    old = create(bobs).json()
    answer = send(bobs, f"/{old['id']}/rotate", {"grace": grace})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["grace"])
    assert works(old["key"])


def test_edit_returns_when_it_is_effective(bobs: Client) -> None:
    key = create(bobs, scopes=["read:audit-activity", "read:databases"]).json()
    answer = send(bobs, f"/{key['id']}", {"name": " New ", "scopes": ["read:databases"]}, "patch")
    data = answer.json()
    assert (answer.status_code, data["name"], data["scopes"]) == (200, "New", ["read:databases"])
    assert datetime.fromisoformat(data["effective_at"]) >= timezone.now() - timedelta(seconds=5)
    assert "key" not in data


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"status": "active"}, "status"),
        ({"name": "\t"}, "name"),
        ({"kind": "agent"}, "kind"),
    ],
)
def test_invalid_edit_names_the_field(body: dict[str, object], field: str, bobs: Client) -> None:
    key = create(bobs).json()
    answer = send(bobs, f"/{key['id']}", body, "patch")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_revoke_returns_a_receipt_once(bobs: Client) -> None:
    key = create(bobs).json()
    answer = send(bobs, f"/{key['id']}", {"reason": "Leaked"}, "delete")
    data = answer.json()
    assert (answer.status_code, set(data)) == (200, {"id", "revoked_at", "effective_at"})
    assert data["effective_at"] >= data["revoked_at"]
    assert not works(key["key"])
    assert Key.objects.get().revoke_reason == "Leaked"
    again = bobs.delete(f"{URL}/{key['id']}")
    assert (again.status_code, again.json()["code"]) == (409, "already_revoked")
    for path, method in ((f"/{key['id']}/rotate", "post"), (f"/{key['id']}", "patch")):
        over = send(bobs, path, {}, method)
        assert (over.status_code, over.json()["code"]) == (409, "key_not_usable")


def test_issuing_is_rate_limited(bobs: Client, settings: Settings) -> None:
    settings.KEYWAY_LIMITS = {**settings.KEYWAY_LIMITS, "issue": Rate(2, 60)}
    assert [create(bobs).status_code for _ in range(3)] == [201, 201, 429]
    refused = create(bobs)
    assert refused.json()["code"] == "rate_limited"
    assert 0 < int(refused["Retry-After"]) <= 61  # rounded up


def names(answer: Any) -> list[str]:
    return [key["name"] for key in answer.json()["data"]]


def test_list_is_paged_newest_first(bobs: Client, issue_public_key: IssueKey) -> None:
    for number in range(5):
        issue_public_key(name=f"key {number}")
    first = bobs.get(URL, {"limit": 2})
    assert (names(first), first.json()["total"]) == (["key 4", "key 3"], 5)
    issue_public_key(name="meanwhile")
    second = bobs.get(URL, {"limit": 2, "cursor": first.json()["next_cursor"]})
    third = bobs.get(URL, {"limit": 2, "cursor": second.json()["next_cursor"]})
    assert (names(second), names(third), third.json()["next_cursor"]) == (
        ["key 2", "key 1"],
        ["key 0"],
        None,
    )


def test_cursor_is_bound_to_caller_and_filter(
    bobs: Client, alice: User, issue_public_key: IssueKey
) -> None:
    for number in range(3):
        issue_public_key(name=f"key {number}")
    cursor = bobs.get(URL, {"limit": 1}).json()["next_cursor"]
    assert bobs.get(URL, {"limit": 1, "cursor": cursor}).status_code == 200
    for client, query in (
        (client_of(alice), {}),
        (bobs, {"q": "key"}),
        (bobs, {"cursor": cursor[:-1]}),
    ):
        refused = client.get(URL, {"limit": 1, "cursor": cursor} | query)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


def test_list_is_filtered(
    alice: User, bob: User, acme: Organization, issue_public_key: IssueKey, agent_key: Issued
) -> None:
    soon = timezone.now() + timedelta(days=3)
    issue_public_key(name="expiring", expires_at=soon)
    paused = issue_public_key(name="paused_100%")
    keys.pause(key=paused.key, by=SYSTEM)
    issue_public_key(name="alices test", owner=alice, environment="test")
    alices = client_of(alice)
    wanted: list[tuple[dict[str, str], list[str]]] = [
        ({"status": "expiring"}, ["expiring"]),
        ({"status": "active"}, ["alices test", agent_key.key.name]),
        ({"status": "paused"}, ["paused_100%"]),
        ({"kind": "agent"}, [agent_key.key.name]),
        ({"environment": "test"}, ["alices test"]),
        ({"owner": "me"}, ["alices test"]),
        ({"owner": bob.public_id}, ["paused_100%", "expiring"]),
        ({"q": "_100%"}, ["paused_100%"]),
        (
            {"organization_id": acme.public_id, "kind": "public", "status": "active"},
            ["alices test"],
        ),
        ({"organization_id": "org_nowhere"}, []),
        ({"owner": "usr_nobody"}, []),
    ]
    for query, found in wanted:
        assert names(alices.get(URL, query)) == found, query


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "status=dead",
        "kind=x",
        "color=red",
        "q=a&q=b",
        "q=%00",
        "environment=prod",
        "limit=x",
    ],
)
def test_invalid_query_is_refused(query: str, bobs: Client) -> None:
    answer = bobs.get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


def test_list_query_count_is_constant(
    bobs: Client, issue_public_key: IssueKey, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        issue_public_key(name=f"key {number}")
    with django_assert_max_num_queries(6):  # session, user, memberships, page, secrets, count
        assert len(bobs.get(URL).json()["data"]) == 12


def test_full_hashing_pool_is_a_temporary_503(
    bobs: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert create(bobs).status_code == 201
    settings.KEYWAY_HASH_WAIT_MS = 20
    monkeypatch.setattr(hashing, "pool", hashing._Pool(1))
    with hashing.pool:
        answer = create(bobs, name="one too many")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer["Retry-After"]) > 0
    assert not Key.objects.filter(name="one too many").exists()
    assert create(bobs, name="one too many").status_code == 201


def test_expiry_can_be_brought_nearer_and_not_moved_out(bobs: Client) -> None:
    made = create(bobs, expires_in_days=90).json()
    nearer = (timezone.now() + timedelta(days=30)).replace(microsecond=0)
    path = f"/{made['id']}"
    answer = send(bobs, path, {"expires_at": nearer.isoformat()}, method="patch")
    assert (answer.status_code, datetime.fromisoformat(answer.json()["expires_at"])) == (
        200,
        nearer,
    )
    for refused in (made["expires_at"], "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", None):
        answer = send(bobs, path, {"expires_at": refused}, method="patch")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["expires_at"])
    assert (
        "not moved out"
        in send(bobs, path, {"expires_at": made["expires_at"]}, method="patch").json()["errors"][
            "expires_at"
        ][0]
    )
    shown = datetime.fromisoformat(send(bobs, path, method="get").json()["expires_at"])
    assert shown == nearer


def test_holder_of_a_key_is_kept_and_shown(bobs: Client) -> None:
    made = create(bobs, held_by="Vault, path ci/export").json()
    assert made["held_by"] == "Vault, path ci/export"
    path = f"/{made['id']}"
    edited = send(bobs, path, {"held_by": " Team Data "}, method="patch").json()
    assert (edited["held_by"], edited["name"]) == ("Team Data", made["name"])
    for wrong in ("x" * 256, "two\nlines", None):
        assert send(bobs, path, {"held_by": wrong}, method="patch").status_code == 422
