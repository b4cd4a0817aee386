"""ASCEND's addresses answer with the guide's fields and no others, and give nothing new away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys import services
from apikeys.dialects.ascend_serializers import listed
from apikeys.models import Key
from apikeys.services import Issued
from apikeys.usage.models import EPOCH, Period, UseCount
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from config.lib.ids import encode, uuid7
from config.lib.rates import Rate
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.conftest import SYSTEM, IssueKey, api, client_of
from tests.tenants.tokens.forge import signed_in

pytestmark = pytest.mark.django_db
ORDER = {"name": "Production Backend", "description": "Main production service API access"}
LISTED = {
    "id", "name", "key_prefix", "description", "created_at", "expires_at", "last_used_at",
    "status", "total_requests",
}  # fmt: skip


def by(user: User) -> Any:
    return api(HTTP_AUTHORIZATION=f"Bearer {signed_in(user).access}")


def generate(client: Any, **changes: Any) -> Any:
    body = {name: value for name, value in (ORDER | changes).items() if value is not ...}
    return client.post("/api/keys/generate", body, format="json")


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def resolve(secret: str) -> Credential:
    found = verify(secret, now=timezone.now())
    assert isinstance(found, Credential)
    return found


def test_generate_issues_an_organization_key_that_reads(alice: User, acme: Organization) -> None:
    answer = generate(by(alice), expires_in_days=30)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    got = answer.json()
    assert set(got) == {"api_key", "key_id", "name", "description", "expires_at", "message"}
    assert got["message"] == "Store this key securely. It will not be shown again."
    credential = resolve(got["api_key"])
    assert (credential.owner_id, credential.organization.id) == (None, acme.pk)
    assert credential.scopes == {"read:audit-activity"}
    key = Key.objects.get()
    assert (key.public_id, key.created_by) == (got["key_id"], alice)
    assert key.expires_at
    assert abs(key.expires_at - key.created_at - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize(("days", "lasts"), [(..., 90), (None, None), (180, 180), (365, 365)])
def test_expiration_is_one_of_the_guides(days: Any, lasts: int | None, alice: User) -> None:
    assert generate(by(alice), expires_in_days=days).status_code == 201
    key = Key.objects.get()
    left = key.expires_at and (key.expires_at - key.created_at + timedelta(minutes=1)).days
    assert left == lasts


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": ...},
        {"description": "x" * 501},
        {"expires_in_days": 7},
        {"expires_in_days": "90"},
        {"scopes": ["read:logs"]},
        {"owner": "me"},
        {"organization_id": "org_123"},
    ],
)
def test_other_fields_and_values_are_refused(changes: dict[str, Any], alice: User) -> None:
    alices = by(alice)
    assert code(generate(alices, **changes)) == (422, "validation_failed")
    assert not Key.objects.exists()
    assert generate(alices).status_code == 201


def test_role_below_admin_cannot_generate(alice: User, bob: User, carol: User) -> None:
    assert generate(by(alice)).status_code == 201
    assert code(generate(by(bob))) == code(generate(by(carol))) == (403, "forbidden")
    assert Key.objects.count() == 1


def test_key_generates_within_its_own_power(
    alice: User, bob: User, issue_public_key: IssueKey
) -> None:
    both = ("manage:api-keys", "read:audit-activity")
    soon = timezone.now() + timedelta(days=20)
    managing = issue_public_key(owner=alice, scopes=both, expires_at=soon)
    made = generate(api(managing))
    assert made.status_code == 201
    assert Key.objects.get(name=ORDER["name"]).expires_at == soon
    assert code(generate(api(managing), expires_in_days=90)) == (403, "stronger_than_issuer")
    only = issue_public_key(owner=alice, scopes=("manage:api-keys",))
    assert code(generate(api(only))) == (403, "scope_not_grantable")
    assert code(generate(api(issue_public_key(owner=bob, scopes=both)))) == (403, "forbidden")
    assert code(generate(api(issue_public_key(owner=alice)))) == (403, "insufficient_scope")


def test_browser_session_is_not_accepted(alice: User, public_key: Issued) -> None:
    browser, path = client_of(alice), f"/api/keys/{public_key.key.public_id}"
    assert generate(by(alice)).status_code == 201
    for answer in (
        browser.post("/api/keys/generate", ORDER, content_type="application/json"),
        browser.get("/api/keys/list"),
        browser.get(f"{path}/usage"),
        browser.delete(f"{path}/revoke"),
    ):
        assert code(answer) == (401, "missing_key")
        assert "session" not in answer.json()["detail"]


def test_list_has_every_key_with_its_requests(
    alice: User, bob: User, public_key: Issued, agent_key: Issued,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    count(public_key.key, "ok", 1530)
    count(public_key.key, "invalid", 12)
    services.pause(key=agent_key.key, by=SYSTEM)
    alices = by(alice)
    assert alices.get("/api/keys/list").json()["total"] == 2
    for number in range(3):
        generate(alices, name=f"Key {number}")
    # The token with its user, the caller's places, keys, secrets, requests and the total.
    with django_assert_num_queries(6):
        got = alices.get("/api/keys/list").json()
    assert set(got) == {"keys", "total"}
    assert got["total"] == len(got["keys"]) == 5
    assert all(set(key) == LISTED for key in got["keys"])
    assert [key["name"] for key in got["keys"]][:3] == ["Key 2", "Key 1", "Key 0"]
    by_id = {key["id"]: key for key in got["keys"]}
    used, paused = by_id[public_key.key.public_id], by_id[agent_key.key.public_id]
    assert used["key_prefix"] == public_key.plaintext.mask.replace("…", "...")
    assert (used["total_requests"], used["status"]) == (1542, "active")
    assert (paused["total_requests"], paused["status"]) == (0, "paused")


def count(key: Key, outcome: str, requests: int) -> None:
    UseCount.objects.create(
        key_id=key.pk, secret_id=uuid7(), period=Period.EVER,
        starts_at=EPOCH, method="GET", route="/api/v1/whoami", outcome=outcome, requests=requests,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "active"),
        ({"expires_at": timedelta(days=3)}, "active"),
        ({"expires_at": timedelta(0)}, "expired"),
        ({"paused_at": timedelta(0)}, "paused"),
        ({"paused_at": timedelta(0), "revoked_at": timedelta(0)}, "revoked"),
    ],
)
def test_status_is_a_word_of_the_guide(
    change: dict[str, timedelta], status: str, public_key: Issued
) -> None:
    key, now = public_key.key, timezone.now()
    assert listed(key, 0, now)["status"] == "active"
    for name, later in change.items():
        setattr(key, name, now + later)
    assert listed(key, 0, now)["status"] == status


def test_member_lists_own_keys_only(alice: User, bob: User, public_key: Issued) -> None:
    generate(by(alice))
    got = by(bob).get("/api/keys/list").json()
    assert [key["id"] for key in got["keys"]] == [public_key.key.public_id]
    assert got["total"] == 1


def test_usage_has_the_guides_fields(alice: User, public_key: Issued) -> None:
    count(public_key.key, "ok", 4)
    got = by(alice).get(f"/api/keys/{public_key.key.public_id}/usage").json()
    assert set(got) == {"key_id", "key_name", "usage", "last_used", "top_endpoints", "daily_usage"}
    assert set(got["usage"]) == {
        "total_requests", "requests_24h", "requests_7d", "requests_30d", "error_count",
        "error_rate",
    }  # fmt: skip
    assert got["usage"]["total_requests"] == 4
    assert got["top_endpoints"] == [{"endpoint": "GET /api/v1/whoami", "count": 4}]
    assert len(got["daily_usage"]) == 30
    assert set(got["daily_usage"][0]) == {"date", "requests"}


def test_revoke_is_final_and_told_apart(
    alice: User, bob: User, mallory: User, public_key: Issued, issue_public_key: IssueKey
) -> None:
    path = f"/api/keys/{public_key.key.public_id}/revoke"
    others = f"/api/keys/{issue_public_key(owner=alice).key.public_id}/revoke"
    missing = f"/api/keys/{encode('key', uuid7())}/revoke"
    assert resolve(public_key.plaintext.reveal())
    assert code(by(bob).delete(others)) == (403, "not_key_owner")
    assert code(by(mallory).delete(path)) == code(by(alice).delete(missing)) == (404, "not_found")
    answer = by(alice).delete(path)
    got = answer.json()
    assert set(got) == {"success", "message", "key_id", "revoked_at"}
    assert (answer.status_code, got["success"]) == (200, True)
    assert got["message"] == "API key revoked successfully"
    revoked_at = Key.objects.get(pk=public_key.key.pk).revoked_at
    assert revoked_at
    assert datetime.fromisoformat(got["revoked_at"]) == revoked_at.astimezone(UTC)
    assert not isinstance(verify(public_key.plaintext.reveal(), now=timezone.now()), Credential)
    assert code(by(alice).delete(path)) == (409, "already_revoked")
    assert TrailEntry.objects.filter(action="key.revoked").count() == 1


@pytest.mark.parametrize("path", ["/api/keys/1/usage", "/api/keys/x", "/api/keys/", "/v1/x"])
def test_unknown_address_is_answered_with_json(path: str, db: None) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_limit_of_new_keys_says_to_wait_a_minute(alice: User, settings: Settings) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"issue": Rate(1, 60)}
    alices = by(alice)
    assert code(generate(alices, name="")) == (422, "validation_failed")
    assert generate(alices).status_code == 201
    refused = generate(alices)
    assert code(refused) == (429, "rate_limited")
    assert refused.json()["detail"] == "Too many new keys. Try again in 1 minute."
    assert 1 <= int(refused["Retry-After"]) <= 61


def test_person_of_two_organizations_names_one(
    alice: User, acme: Organization, globex: Organization
) -> None:
    tenants.add_member(organization=globex, user=alice, role=Role.ADMIN, by=SYSTEM)
    alices = by(alice)
    refused = generate(alices)
    assert code(refused) == (422, "validation_failed")
    assert list(refused.json()["errors"]) == ["X-Organization-Id"]
    for organization, name in ((acme, acme.public_id), (globex, "globex")):
        headers = {"HTTP_X_ORGANIZATION_ID": name}
        made = alices.post("/api/keys/generate", ORDER, format="json", **headers)
        assert Key.objects.get(organization=organization).public_id == made.json()["key_id"]
        got = alices.get("/api/keys/list", **headers).json()
        assert [key["id"] for key in got["keys"]] == [made.json()["key_id"]]
    assert alices.get("/api/keys/list").json()["total"] == 2
    ours = Key.objects.get(organization=acme)
    path = f"/api/keys/{ours.public_id}/revoke"
    assert alices.delete(path, HTTP_X_ORGANIZATION_ID="globex").status_code == 404
    assert alices.delete(path, HTTP_X_ORGANIZATION_ID="acme").status_code == 200


def test_foreign_organization_is_not_found(
    alice: User, globex: Organization, issue_public_key: IssueKey
) -> None:
    alices = by(alice)
    assert alices.get("/api/keys/list", HTTP_X_ORGANIZATION_ID="acme").status_code == 200
    for name in ("globex", globex.public_id, "nowhere", ""):
        answer = alices.get("/api/keys/list", HTTP_X_ORGANIZATION_ID=name)
        assert code(answer) == (404, "not_found")
    managing = api(issue_public_key(owner=alice, scopes=("manage:api-keys",)))
    wrong = managing.get("/api/keys/list", HTTP_X_ORGANIZATION_ID="globex")
    assert code(wrong) == (403, "wrong_organization")
