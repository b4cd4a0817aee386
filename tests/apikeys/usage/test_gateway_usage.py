"""The usage of requests to the gateway."""

import pytest

from apikeys import services as keys
from apikeys.models import UnprovenCount, Use
from apikeys.services import Issued
from apikeys.verify import usage_note
from tests.apikeys.test_gateway import ask, assert_refused
from tests.apikeys.usage.conftest import Drain
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db


def test_gateway_request_is_one_row(public_key: Issued, drain: Drain) -> None:
    ask(
        public_key,
        "scope=read:audit-activity",
        REMOTE_ADDR="198.51.100.7",
        HTTP_USER_AGENT="shop/2",
    )
    drain()
    use = Use.objects.get()
    assert (use.key_id, use.organization_id) == (public_key.key.pk, public_key.key.organization_id)
    assert (use.method, use.route, use.status, use.denial) == ("GET", "/api/v1/verify", 204, "")
    assert (use.address, use.user_agent) == ("198.51.100.7", "shop/2")


@pytest.mark.parametrize(
    ("headers", "method", "route"),
    [
        (
            {"HTTP_X_ORIGINAL_METHOD": "POST", "HTTP_X_ORIGINAL_URI": "/orders?page=2"},
            "POST",
            "/orders",
        ),
        ({"HTTP_X_FORWARDED_METHOD": "PUT", "HTTP_X_FORWARDED_URI": "/orders/"}, "PUT", "/orders/"),
        (
            {"HTTP_X_ORIGINAL_METHOD": "HACK", "HTTP_X_ORIGINAL_URI": "/a\x00b#c"},
            "OTHER",
            "/a\N{REPLACEMENT CHARACTER}b",
        ),
        (
            {"HTTP_X_ORIGINAL_URI": "/v1/orders/17/items/9?x=/2"},
            "GET",
            "/v1/orders/<id>/items/<id>",
        ),
        (
            {"HTTP_X_ORIGINAL_URI": "/reset/7f3bdc2e-6f0a-4a55-9d0f-000000000000/now"},
            "GET",
            "/reset/<id>/now",
        ),
        ({"HTTP_X_ORIGINAL_URI": "/keys/sk_live_" + "a" * 32}, "GET", "/keys/<id>"),
        ({"HTTP_X_ORIGINAL_URI": "/" + "word/" * 1000}, "GET", ("/" + "word/" * 1000)[:256]),
    ],
)
def test_route_is_that_of_the_proxied_request(
    headers: dict[str, str], method: str, route: str, public_key: Issued, drain: Drain
) -> None:
    assert ask(public_key, **headers).status == 204
    drain()
    use = Use.objects.get()
    assert (use.method, use.route) == (method, route)


def test_refusal_is_a_row_with_its_reason(public_key: Issued, drain: Drain) -> None:
    assert_refused(ask(public_key, "environment=test"), "wrong_environment")
    keys.revoke(key=public_key.key, by=SYSTEM)
    assert_refused(ask(public_key), "revoked_key")
    drain()
    assert list(Use.objects.order_by("at").values_list("status", "denial")) == [
        (403, "wrong_environment"),
        (401, "revoked_key"),
    ]


def test_unproven_presentation_is_counted_without_a_row(drain: Drain) -> None:
    for _ in range(3):
        assert_refused(ask(HTTP_X_API_KEY="sk_live_nonsense"), "invalid_key")
    assert_refused(ask(), "missing_key")
    drain()
    assert not Use.objects.exists()
    assert sum(UnprovenCount.objects.values_list("requests", flat=True)) == 3


def test_unrecorded_request_gets_no_yes(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(public_key).status == 204
    monkeypatch.setattr(usage_note, "record", lambda *_, **__: False)
    assert_refused(ask(public_key), "unavailable")
