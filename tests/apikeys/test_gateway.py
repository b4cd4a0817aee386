"""`GET /api/v1/verify`, called as a server calls it: through config.wsgi, before Django."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.db import OperationalError
from django.utils import timezone
from django.utils.crypto import get_random_string
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Issued
from apikeys.verify import gateway, judge
from config.lib.environment import Environment
from config.lib.problems import PROBLEMS
from tenants import services as tenants
from tenants.models import Organization
from tests.conftest import SYSTEM, api
from tests.wsgi import Answer, call

pytestmark = pytest.mark.django_db
SCOPE = "read:audit-activity"
IDENTITY = ("Organization", "Key", "Kind", "Environment", "Scopes", "Owner")


def ask(
    issued: Issued | None = None, query: str = "", *, path: str = "/api/v1/verify", **environ: Any
) -> Answer:
    if issued is not None:
        environ["HTTP_X_API_KEY"] = issued.plaintext.reveal()
    return call(path, query, **environ)


def steady(answer: Answer) -> dict[str, str]:
    """Return the headers that do not change between requests."""
    return {
        name: value
        for name, value in answer.headers.items()
        if not name.startswith(("RateLimit", "X-Request-Id"))
    }


def assert_refused(answer: Answer, code: str) -> None:
    problem = PROBLEMS[code]
    assert (answer.status, answer.code) == (problem.status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert ("WWW-Authenticate" in answer.headers) == (problem.status == 401)
    assert ("Retry-After" in answer.headers) == (problem.status in {429, 503})
    assert not [name for name in IDENTITY if f"X-Keyway-{name}" in answer.headers]


def test_response_identifies_a_public_key(public_key: Issued) -> None:
    answer = ask(public_key)
    assert (answer.status, answer.body) == (204, b"")
    key = public_key.key
    assert key.owner
    assert steady(answer) == {
        "Cache-Control": "no-store",
        "X-Keyway-Organization": key.organization.public_id,
        "X-Keyway-Key": key.public_id,
        "X-Keyway-Kind": "public",
        "X-Keyway-Environment": "live",
        "X-Keyway-Scopes": SCOPE,
        "X-Keyway-Owner": key.owner.user.public_id,
    }


def test_agent_key_has_all_scopes_and_no_owner(test_agent_key: Issued) -> None:
    headers = ask(test_agent_key).headers
    assert "X-Keyway-Owner" not in headers
    assert headers["X-Keyway-Environment"] == "test"
    assert (
        headers["X-Keyway-Scopes"] == "read:agent-config write:agent-events write:agent-heartbeat"
    )


def test_narrowed_scopes_show_at_once(
    issue_public_key: Callable[..., Issued], settings: Settings
) -> None:
    settings.KEYWAY_SCOPES = [
        {"name": "read:invoices", "title": "Read Invoices", "description": "Invoices"}
    ]
    issued = issue_public_key(scopes=("read:invoices", SCOPE))
    assert ask(issued).headers["X-Keyway-Scopes"] == f"{SCOPE} read:invoices"
    assert ask(issued, "scope=read:invoices").status == 204
    Key.objects.filter(pk=issued.key.pk).update(scopes=[SCOPE])
    judge._leases.clear()
    assert ask(issued).headers["X-Keyway-Scopes"] == SCOPE
    assert_refused(ask(issued, "scope=read:invoices"), "insufficient_scope")


def test_headers_hold_no_free_text(issue_public_key: Callable[..., Issued]) -> None:
    issued = issue_public_key(name="evil X-Keyway-Owner: usr_root")
    assert not [
        value
        for value in ask(issued).headers.values()
        if "evil" in value or "bob" in value or "\n" in value
    ]


def test_unmet_demand_is_refused_with_its_reason(public_key: Issued, globex: Organization) -> None:
    acme = public_key.key.organization
    for query in (
        f"scope={quote(SCOPE)}",
        "environment=live",
        f"organization={acme.public_id}",
        "organization=acme",
    ):
        assert ask(public_key, query).status == 204
    assert ask(public_key, f"scope={SCOPE}&environment=live&organization=acme").status == 204
    assert_refused(ask(public_key, "scope=write:agent-events"), "insufficient_scope")
    assert_refused(ask(public_key, "environment=test"), "wrong_environment")
    assert_refused(ask(public_key, f"organization={globex.public_id}"), "wrong_organization")


def test_test_key_fails_a_live_demand(
    test_agent_key: Issued,
) -> None:
    assert ask(test_agent_key, "environment=test").status == 204
    assert_refused(ask(test_agent_key, "environment=live"), "wrong_environment")


def test_organization_header_is_a_demand(public_key: Issued, globex: Organization) -> None:
    assert ask(public_key, HTTP_X_ORGANIZATION_ID="acme").status == 204
    assert_refused(ask(public_key, HTTP_X_ORGANIZATION_ID=globex.public_id), "wrong_organization")


@pytest.mark.parametrize(
    "query",
    [
        "scop=read:audit-activity",
        "scope=",
        "scope",
        "scope=read:audit-activity&scope=read:audit-activity",
        "environment=live&environment=test",
        "scope=read:audit-activty",
        "environment=production",
        "organization=",
        "Scope=read:audit-activity",
        "scope=%00",
        "scope=%ff",
        "&".join(f"p{number}=1" for number in range(1000)),
    ],
)
def test_malformed_demand_is_refused(query: str, public_key: Issued) -> None:
    """Ignoring a mistyped parameter would let through what it should have stopped."""
    assert ask(public_key).status == 204
    assert_refused(ask(public_key, query), "invalid_parameter")


def test_path_may_end_in_one_slash(public_key: Issued) -> None:
    assert ask(public_key, path="/api/v1/verify/").status == 204
    for path in ("/api/v1/verify//", "//api/v1/verify", "/api/v1/verifyx", "/API/v1/verify"):
        assert "X-Keyway-Key" not in ask(public_key, path=path, HTTP_HOST="testserver").headers


def test_head_is_get_without_a_body(public_key: Issued) -> None:
    assert steady(ask(public_key, REQUEST_METHOD="HEAD")) == steady(ask(public_key))
    refused = ask(None, REQUEST_METHOD="HEAD")
    assert (refused.status, refused.body) == (401, b"")
    assert steady(refused) == steady(ask(None))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "X"])
def test_other_methods_are_refused(method: str, public_key: Issued) -> None:
    answer = ask(public_key, REQUEST_METHOD=method)
    assert_refused(answer, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


def test_bad_credentials_are_refused_as_by_the_api(public_key: Issued) -> None:
    text = public_key.plaintext.reveal()
    assert_refused(ask(), "missing_key")
    assert_refused(ask(HTTP_X_API_KEY="\xff\xfe☃"), "invalid_key")
    assert_refused(ask(HTTP_X_API_KEY=f"{text},{text}"), "several_credentials")
    assert_refused(ask(HTTP_AUTHORIZATION=f"Bearer {text}"), "key_in_bearer")


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("revoked_key", lambda key: keys.revoke(key=key, by=SYSTEM)),
        ("paused_key", lambda key: keys.pause(key=key, by=SYSTEM)),
        ("owner_inactive", lambda key: tenants.deactivate_member(membership=key.owner, by=SYSTEM)),
        (
            "organization_suspended",
            lambda key: tenants.suspend_organization(organization=key.organization, by=SYSTEM),
        ),
    ],
)
def test_change_denies_the_next_verification(
    code: str, change: Any, public_key: Issued, globex_public_key: Issued
) -> None:
    assert ask(public_key).status == 204
    change(public_key.key)
    assert_refused(ask(public_key), code)
    assert ask(globex_public_key).status == 204


def test_expired_key_is_refused(public_key: Issued) -> None:
    assert ask(public_key).status == 204
    Key.objects.filter(pk=public_key.key.pk).update(expires_at=timezone.now())
    judge._leases.clear()
    assert_refused(ask(public_key), "expired_key")


def test_gateway_and_api_agree(public_key: Issued, agent_key: Issued) -> None:
    keys.revoke(key=agent_key.key, by=SYSTEM)
    for issued in (public_key, agent_key, None):
        theirs, ours = api(issued).get("/api/v1/whoami"), ask(issued)
        assert (theirs.status_code == 200) == (ours.status == 204)
        if ours.status != 204:
            assert theirs.json() == json.loads(ours.body)
            assert ours.headers.pop("X-Keyway-Denial") == ours.code
            assert {name: theirs[name] for name in steady(ours)} == steady(ours)


def test_warm_gateway_request_costs_no_query(
    public_key: Issued,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    ask(public_key)
    known = judge._read_known([public_key.key.secrets.get().lookup])
    monkeypatch.setattr(judge._leases, "get", known.get)
    with django_assert_num_queries(0):
        assert ask(public_key).status == 204


def test_forged_secret_costs_no_query(
    public_key: Issued, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    forged = public_key.plaintext.reveal()[:-8] + get_random_string(8)
    with django_assert_num_queries(0):
        assert_refused(ask(HTTP_X_API_KEY=forged), "invalid_key")


def test_database_outage_is_503(public_key: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> None:
        raise OperationalError("connection refused")

    assert ask(public_key).status == 204
    monkeypatch.setattr(judge._leases, "_read", away)
    assert_refused(ask(public_key), "unavailable")


def test_internal_error_is_logged_and_never_a_yes(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("a bug")

    assert ask(public_key).status == 204
    monkeypatch.setattr(gateway, "_identity", broken)
    assert_refused(ask(public_key), "internal_error")
    assert "ZeroDivisionError" in caplog.text


def test_other_paths_reach_django(public_key: Issued) -> None:
    text = public_key.plaintext.reveal()
    answer = ask(path="/api/v1/whoami", HTTP_HOST="testserver", HTTP_X_API_KEY=text)
    assert (answer.status, json.loads(answer.body)["environment"]) == (200, Environment.LIVE)
