"""`X-API-Key` as callers send it, and every problem that it can cause."""

from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Issued
from apikeys.verify import judge
from config.lib.problems import PROBLEMS
from tenants import services as tenants
from tenants.models import Organization
from tests.conftest import SYSTEM, api

pytestmark = pytest.mark.django_db
WHOAMI = "/api/v1/whoami"


def assert_problem(answer: Any, code: str) -> None:
    problem = PROBLEMS[code]
    assert (answer.status_code, answer["Content-Type"]) == (
        problem.status,
        "application/problem+json",
    )
    body = answer.json()
    assert (body["code"], body["status"], body["title"]) == (code, problem.status, problem.title)
    assert body["detail"]
    assert body["type"].endswith(f"#{code}")
    assert ("WWW-Authenticate" in answer) == (problem.status == 401)
    assert ("Retry-After" in answer) == (problem.status in {429, 503})


def test_request_without_a_key_is_missing_key() -> None:
    assert_problem(api().get(WHOAMI), "missing_key")


def test_header_may_have_spaces_around_the_key(public_key: Issued) -> None:
    text = public_key.plaintext.reveal()
    assert api(HTTP_X_API_KEY=f"  {text} ").get(WHOAMI).status_code == 200


def test_key_in_bearer_is_refused(public_key: Issued) -> None:
    assert api(public_key).get(WHOAMI).status_code == 200
    for text in (public_key.plaintext.reveal(), "sk_live_mistyped"):
        assert_problem(api(HTTP_AUTHORIZATION=f"bearer {text}").get(WHOAMI), "key_in_bearer")


def test_several_credentials_are_refused(public_key: Issued, agent_key: Issued) -> None:
    one, two = public_key.plaintext.reveal(), agent_key.plaintext.reveal()
    assert api(public_key).get(WHOAMI).status_code == 200
    assert_problem(api(HTTP_X_API_KEY=f"{one},{two}").get(WHOAMI), "several_credentials")
    assert_problem(api(HTTP_X_API_KEY=f"{one},{one}").get(WHOAMI), "several_credentials")
    assert_problem(
        api(HTTP_X_API_KEY=one, HTTP_AUTHORIZATION="Bearer eyJ").get(WHOAMI), "several_credentials"
    )


@pytest.mark.parametrize(
    "odd",
    [
        "",
        " ",
        "x",
        "é" * 40,
        "\xff\xfe",
        "\x00",
        "sk_live_" + "é" * 32,
        "A" * 100_000,
        "sk_live_\t",
        "☃",
    ],
)
def test_odd_bytes_are_invalid_and_not_echoed(
    odd: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = api(HTTP_X_API_KEY=odd).get(WHOAMI)
    assert_problem(answer, "invalid_key")
    assert not odd.strip("\x00\t ") or odd == "x" or odd not in answer.content.decode()


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
        (
            "expired_key",
            lambda key: Key.objects.filter(pk=key.pk).update(expires_at=timezone.now()),
        ),
    ],
)
def test_change_refuses_the_next_request(
    code: str, change: Any, public_key: Issued, globex_public_key: Issued, alice: Any
) -> None:
    assert api(public_key).get(WHOAMI).status_code == 200
    change(public_key.key)
    assert_problem(api(public_key).get(WHOAMI), code)
    assert api(globex_public_key).get(WHOAMI).status_code == 200


def test_organization_header_must_match_the_key(public_key: Issued, globex: Organization) -> None:
    acme = public_key.key.organization
    assert api(public_key, HTTP_X_ORGANIZATION_ID=acme.public_id).get(WHOAMI).status_code == 200
    for other in (globex.public_id, str(acme.pk), "", "é"):
        assert_problem(
            api(public_key, HTTP_X_ORGANIZATION_ID=other).get(WHOAMI), "wrong_organization"
        )


def test_database_outage_is_503_and_never_401(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(judge._leases, "_read", away)
    assert_problem(api(public_key).get(WHOAMI), "unavailable")


def test_request_costs_one_query_and_no_write(
    public_key: Issued, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A test's transaction leases nothing. tests/tenants/test_leases.py counts leased reads."""
    for _ in range(2):
        with django_assert_num_queries(1) as read:
            api(public_key).get(WHOAMI)
        assert read[0]["sql"].startswith("SELECT")


def test_unknown_method_and_type_are_problems(public_key: Issued) -> None:
    assert_problem(api(public_key).post(WHOAMI, {}), "method_not_allowed")
    assert_problem(api(public_key).get(WHOAMI, HTTP_ACCEPT="text/html"), "not_acceptable")
