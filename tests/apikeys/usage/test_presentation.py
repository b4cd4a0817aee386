"""Where a key is accepted: in which header, and at which address."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys import services as keys
from apikeys.api.middleware import NOT_FOUND_ROUTE
from apikeys.models import UnprovenCount, Use
from apikeys.services import Issued
from apikeys.verify import hashing
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential
from apikeys.verify.presentation import MisplacedKey, find, resolve
from config.lib.rates import Rate
from tests.apikeys.test_authentication import WHOAMI, assert_problem
from tests.apikeys.test_gateway import ask
from tests.apikeys.usage.conftest import Drain
from tests.conftest import SYSTEM, api

pytestmark = pytest.mark.django_db


def forged_from(secret: str) -> str:
    """Return the secret with another last character."""
    return secret[:-1] + ("y" if secret[-1] == "x" else "x")


def whoami(request: HttpRequest) -> HttpResponse:
    """Answer at an address of DB Audit's with the key, as its dialect does."""
    outcome = resolve(request.META, at=timezone.now())
    return HttpResponse(outcome.public_id if isinstance(outcome, Credential) else b"denied")


urlpatterns = [path("v1/databases", whoami)]
DIALECT = override_settings(ROOT_URLCONF=__name__)


def at(address: str, text: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    return {
        "PATH_INFO": address,
        "REQUEST_METHOD": method,
        "HTTP_AUTHORIZATION": f"Bearer {text}",
        **headers,
    }


@pytest.mark.parametrize(
    ("address", "method", "is_accepted"),
    [
        ("/v1/databases", "GET", True),
        ("/v1/api-keys", "POST", True),
        ("/v1/logs", "GET", True),
        ("/v1/logs", "POST", False),
        ("/v1/logs/", "POST", False),
        ("/v1/metrics", "POST", False),
        ("/v1/traces", "POST", False),
        ("/v1", "GET", False),
        ("//v1/databases", "GET", False),
        ("/V1/databases", "GET", False),
        ("/api/v1/whoami", "GET", False),
        ("/api/v1/verify", "GET", False),
        ("/api/keys/list", "GET", False),
        ("", "GET", False),
    ],
)
def test_bearer_takes_keys_at_db_audits_addresses(
    address: str, method: str, *, is_accepted: bool, public_key: Issued
) -> None:
    text = public_key.plaintext.reveal()
    outcome = resolve(at(address, text, method), at=timezone.now())
    assert isinstance(outcome, Credential) is is_accepted
    if not is_accepted:
        assert isinstance(outcome, Denial)
        assert outcome.reason is Reason.KEY_IN_BEARER
        assert outcome.presented
        assert isinstance(find(at(address, text, method)), MisplacedKey)


@DIALECT
def test_key_as_bearer_works_in_a_request(public_key: Issued) -> None:
    text = public_key.plaintext.reveal()
    answer = Client().get("/v1/databases", headers={"authorization": f"Bearer {text}"})
    assert answer.content.decode() == public_key.key.public_id


def test_same_key_in_both_headers_counts_once(
    public_key: Issued, agent_key: Issued, drain: Drain
) -> None:
    one, two = public_key.plaintext.reveal(), agent_key.plaintext.reveal()
    both: Any = {"HTTP_X_API_KEY": f" {one}", "HTTP_AUTHORIZATION": f"Bearer {one}"}
    assert api(**both).get(WHOAMI).json()["key_id"] == public_key.key.public_id
    assert ask(**both).headers["X-Keyway-Key"] == public_key.key.public_id
    drain()
    assert Use.objects.filter(key_id=public_key.key.pk, denial="").count() == 2
    for header, bearer in (
        (one, two),
        (one, one[:-1]),
        (f"{one},{one}", one),
        ("", one),
        (one, ""),
    ):
        headers: Any = {"HTTP_X_API_KEY": header, "HTTP_AUTHORIZATION": f"Bearer {bearer}"}
        assert_problem(api(**headers).get(WHOAMI), "several_credentials")


def test_key_shown_as_bearer_is_in_its_usage(
    public_key: Issued, globex_public_key: Issued, drain: Drain
) -> None:
    text = public_key.plaintext.reveal()
    assert_problem(api(HTTP_AUTHORIZATION=f"Bearer {text}").get(WHOAMI), "key_in_bearer")
    assert ask(HTTP_AUTHORIZATION=f"Bearer {text}").code == "key_in_bearer"
    drain()
    assert (
        list(Use.objects.values_list("key_id", "status", "denial"))
        == [(public_key.key.pk, 401, "key_in_bearer")] * 2
    )


def test_unproved_bearer_gets_the_same_answer_and_no_row(
    public_key: Issued, drain: Drain, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    good = public_key.plaintext.reveal()
    known = api(HTTP_AUTHORIZATION=f"Bearer {good}").get(WHOAMI)
    keys.revoke(key=public_key.key, by=SYSTEM)
    revoked = api(HTTP_AUTHORIZATION=f"Bearer {good}").get(WHOAMI)
    with django_assert_num_queries(0):  # the tag decides before any row is read
        forged = api(HTTP_AUTHORIZATION=f"Bearer {forged_from(good)}").get(WHOAMI)
    assert known.json() == revoked.json() == forged.json()
    drain()
    assert Use.objects.count() == 2
    assert [row.requests for row in UnprovenCount.objects.all()] == [1]


def test_refused_bearers_are_limited_by_network(
    public_key: Issued, settings: Settings, monkeypatch: pytest.MonkeyPatch, drain: Drain
) -> None:
    settings.KEYWAY_LIMITS = dict.fromkeys(settings.KEYWAY_LIMITS) | {"refused": Rate(3, 60)}
    text, proofs, holds = public_key.plaintext.reveal(), list[str](), hashing.holds

    def counted(secret: str, proof: str) -> bool:
        proofs.append(proof)
        return holds(secret, proof)

    monkeypatch.setattr(hashing, "holds", counted)
    answers = [api(HTTP_AUTHORIZATION=f"Bearer {text}").get(WHOAMI) for _ in range(10)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 7
    assert len(proofs) == 3  # past the limit a known presentation costs no proof
    drain()
    assert Use.objects.count() == 3
    # The key itself is not blocked by that, not even for its holder's neighbours.
    assert api(public_key).get(WHOAMI).status_code == 200


@pytest.mark.parametrize("address", ["/api/v1/nowhere", "/api/v2/x/sk_live_secret", "/v1/x", "/x"])
def test_key_on_an_unknown_address_is_in_its_usage(
    address: str, public_key: Issued, drain: Drain
) -> None:
    assert api(public_key).get(address).status_code == 404
    drain()
    use = Use.objects.get()
    assert (use.key_id, use.status, use.route, use.denial) == (
        public_key.key.pk,
        404,
        NOT_FOUND_ROUTE,
        "",
    )


def test_unknown_address_says_nothing_about_the_key(public_key: Issued, drain: Drain) -> None:
    good = public_key.plaintext.reveal()
    answers = [api(public_key).get("/api/v1/nowhere")]
    keys.revoke(key=public_key.key, by=SYSTEM)
    answers += [api(public_key).get("/api/v1/nowhere")]
    answers += [api(HTTP_X_API_KEY=text).get("/api/v1/nowhere") for text in (good[:-1], "x")]
    answers += [
        api().get("/api/v1/nowhere"),
        api(HTTP_AUTHORIZATION="Bearer a.b.c").get("/api/v1/n"),
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (404, answers[0].content)
    }
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1
    drain()
    assert list(Use.objects.order_by("pk").values_list("status", "denial")) == [
        (404, ""),
        (404, "revoked_key"),
    ]
    assert sum(row.requests for row in UnprovenCount.objects.all()) == 2


def test_unknown_address_costs_a_guess_no_query(
    public_key: Issued, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    forged = forged_from(public_key.plaintext.reveal())
    with django_assert_num_queries(0):
        assert api(HTTP_X_API_KEY=forged).get("/api/v1/nowhere").status_code == 404
