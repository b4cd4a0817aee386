"""What the usage records of a request, through the real middleware and views."""

import json
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys import services as keys
from apikeys.models import Key, UnprovenCount, Use
from apikeys.services import Issued
from apikeys.usage.spool import append
from apikeys.usage.spool import segment as segments
from apikeys.usage.spool.spool import Spool, SpoolFailed
from tenants import services as tenants
from tests.apikeys.usage.conftest import Drain
from tests.conftest import SYSTEM, api

pytestmark = pytest.mark.django_db
WHOAMI = "/api/v1/whoami"


class BrokenView(APIView):
    def get(self, request: Request) -> Response:
        raise RuntimeError("a bug of ours")


class StreamedView(APIView):
    """A stream that fails while it is read. Its request must have been recorded before."""

    def get(self, request: Request) -> StreamingHttpResponse:
        return StreamingHttpResponse(self._lines())

    def _lines(self) -> Any:
        yield b"first"
        raise ConnectionResetError


def open_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no key is looked at here")


urlpatterns = [
    path("broken/<int:number>/", BrokenView.as_view()),
    path("streamed/", StreamedView.as_view()),
    path("open/", open_view),
]
OTHER_ROUTES = override_settings(ROOT_URLCONF=__name__)


def only_use() -> Use:
    return Use.objects.get()


def test_accepted_request_is_one_full_row(public_key: Issued, drain: Drain) -> None:
    before = timezone.now()
    api(public_key, HTTP_USER_AGENT="export/1.0", REMOTE_ADDR="198.51.100.7").get(
        f"{WHOAMI}?secret=no"
    )
    assert drain() == 1
    use, key = only_use(), public_key.key
    assert (use.key_id, use.secret_id, use.organization_id) == (
        key.pk,
        key.secrets.get().pk,
        key.organization_id,
    )
    assert (use.method, use.route, use.status, use.denial) == ("GET", "/api/v1/whoami", 200, "")
    assert (use.address, use.user_agent) == ("198.51.100.7", "export/1.0")
    assert before <= use.at <= timezone.now()
    assert 0 < use.milliseconds < 60_000


def test_route_is_the_url_pattern(public_key: Issued, drain: Drain) -> None:
    with OTHER_ROUTES:
        api(public_key).get("/broken/42/")
    drain()
    assert (only_use().route, only_use().status) == ("/broken/<int:number>/", 500)


def test_streamed_response_is_recorded_at_its_start(public_key: Issued, drain: Drain) -> None:
    with OTHER_ROUTES:
        answer = api(public_key).get("/streamed/")
    assert answer.streaming
    assert drain() == 1
    with pytest.raises(ConnectionResetError):
        b"".join(answer)
    assert drain() == 0


def test_request_without_authentication_is_not_usage(public_key: Issued, drain: Drain) -> None:
    with OTHER_ROUTES:
        assert api(public_key).get("/open/").status_code == 200
    assert api().get(WHOAMI).status_code == 401
    assert drain() == 0
    assert not UnprovenCount.objects.exists()


@pytest.mark.parametrize(
    ("reason", "change"),
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
def test_denied_presentation_is_recorded_with_its_reason(
    reason: str, change: Any, public_key: Issued, alice: Any, drain: Drain
) -> None:
    api(public_key).get(WHOAMI)
    change(public_key.key)
    api(public_key).get(WHOAMI)
    drain()
    assert list(Use.objects.order_by("pk").values_list("key_id", "status", "denial")) == [
        (public_key.key.pk, 200, ""),
        (public_key.key.pk, 401, reason),
    ]


def test_later_refusal_is_recorded_with_its_reason(public_key: Issued, drain: Drain) -> None:
    api(public_key, HTTP_X_ORGANIZATION_ID="globex").get(WHOAMI)
    api(public_key).get("/api/v1/agent/config")
    api(public_key).post(WHOAMI, {})
    drain()
    assert list(Use.objects.order_by("pk").values_list("method", "status", "denial")) == [
        ("GET", 403, "wrong_organization"),
        ("GET", 403, "wrong_key_type"),
        ("POST", 405, ""),
    ]


def test_unknown_method_is_recorded_as_other(public_key: Issued, drain: Drain) -> None:
    for method in ("BREW", "PROPFIND", "QQQQQQQQQQQQQQQQQQQQ"):
        api(public_key).generic(method, WHOAMI)
    drain()
    assert set(Use.objects.values_list("method", flat=True)) == {"OTHER"}


@pytest.mark.parametrize(
    "sent", ["\x00\x1b[31m", "ü" * 1000, "\r\nforged: line", '"}],[', "\x85", ""]
)
def test_user_agent_cannot_break_a_line(sent: str, public_key: Issued, drain: Drain) -> None:
    api(public_key, HTTP_USER_AGENT=sent).get(WHOAMI)
    api(public_key, HTTP_USER_AGENT="the next one").get(WHOAMI)
    assert drain() == 2
    first, second = Use.objects.order_by("pk").values_list("user_agent", flat=True)
    assert second == "the next one"
    assert len(first) <= 256
    assert first.isprintable()


def test_recording_costs_no_query(
    public_key: Issued, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1) as read:
        api(public_key).get(WHOAMI)
    assert "apikeys_secret" in read[0]["sql"]


def test_unproven_presentations_count_by_network(public_key: Issued, drain: Drain) -> None:
    for last in range(1, 6):
        api(HTTP_X_API_KEY="sk_live_nonsense", REMOTE_ADDR=f"198.51.100.{last}").get(WHOAMI)
    api(HTTP_X_API_KEY="a,b", REMOTE_ADDR="203.0.113.9").get(WHOAMI)
    api(HTTP_X_API_KEY="x", REMOTE_ADDR="2001:db8:1:2::3").get(WHOAMI)
    drain()
    assert not Use.objects.exists()
    counts = {(c.network, c.reason): c.requests for c in UnprovenCount.objects.all()}
    assert counts == {
        ("198.51.100.0/24", "invalid_key"): 5,
        ("203.0.113.0/24", "several_credentials"): 1,
        ("2001:db8:1::/48", "invalid_key"): 1,
    }


def test_last_use_has_time_address_and_user_agent(
    public_key: Issued, agent_key: Issued, drain: Drain
) -> None:
    api(public_key, HTTP_USER_AGENT="export/1.0").get(WHOAMI)
    drain()
    key = Key.objects.get(pk=public_key.key.pk)
    assert key.last_used_at == only_use().at
    assert (key.last_used_ip, key.last_used_user_agent) == ("127.0.0.1", "export/1.0")
    assert Key.objects.get(pk=agent_key.key.pk).last_used_at is None


def test_last_use_advances_by_a_minute_or_more(public_key: Issued, drain: Drain) -> None:
    row = Key.objects.filter(pk=public_key.key.pk)
    for known in (timezone.now() - timedelta(seconds=30), timezone.now() + timedelta(days=1)):
        row.update(last_used_at=known)
        api(public_key).get(WHOAMI)
        drain()
        assert row.get().last_used_at == known
    row.update(last_used_at=timezone.now() - timedelta(seconds=61))
    api(public_key).get(WHOAMI)
    drain()
    assert row.get().last_used_at == Use.objects.latest("pk").at


def test_denied_presentation_is_not_a_use(public_key: Issued, drain: Drain) -> None:
    keys.pause(key=public_key.key, by=SYSTEM)
    api(public_key).get(WHOAMI)
    drain()
    assert Key.objects.get(pk=public_key.key.pk).last_used_at is None


def test_last_used_ip_ignores_spoofed_headers(
    public_key: Issued, agent_key: Issued, settings: Settings, drain: Drain
) -> None:
    spoofed = {
        "HTTP_X_FORWARDED_FOR": "6.6.6.6, 198.51.100.7",
        "HTTP_X_REAL_IP": "6.6.6.6",
        "HTTP_FORWARDED": "for=6.6.6.6",
    }
    api(public_key, **spoofed).get(WHOAMI)
    settings.KEYWAY_TRUSTED_PROXIES = 1
    api(agent_key, **spoofed).get(WHOAMI)
    drain()
    assert Key.objects.get(pk=public_key.key.pk).last_used_ip == "127.0.0.1"
    assert Key.objects.get(pk=agent_key.key.pk).last_used_ip == "198.51.100.7"


@pytest.mark.parametrize(
    "address", ["fe80::1%eth0", "fe80::1%" + "z" * 5000, "::ffff:198.51.100.7", ""]
)
def test_odd_address_does_not_fail_a_batch(
    address: str, public_key: Issued, settings: Settings, drain: Drain
) -> None:
    settings.KEYWAY_TRUSTED_PROXIES = 1
    api(public_key, HTTP_X_FORWARDED_FOR=address).get(WHOAMI)
    assert drain() == 1


def test_spool_holds_no_secret(public_key: Issued, spool: Any) -> None:
    text = public_key.plaintext.reveal()
    api(public_key, HTTP_REFERER=text).get(f"{WHOAMI}?key={text}", HTTP_COOKIE=f"k={text}")
    api(HTTP_X_API_KEY=text[:-1]).get(WHOAMI)
    (segment,) = spool.glob("*.seg")
    written = segment.read_text()
    assert json.loads(written.splitlines()[1][9:])[0] == "u"
    assert not [
        start
        for start in range(len(text) - 11)
        if text[8:][start : start + 12] and text[8:][start : start + 12] in written
    ]


def test_spool_is_private_to_its_owner(public_key: Issued, spool: Any) -> None:
    api(public_key).get(WHOAMI)
    (segment,) = spool.glob("*.seg")
    assert (spool.stat().st_mode & 0o777, segment.stat().st_mode & 0o777) == (0o700, 0o600)


def test_counters_without_room_stay_for_the_next_flush(
    monkeypatch: pytest.MonkeyPatch, drain: Drain
) -> None:
    api(HTTP_X_API_KEY="sk_live_nonsense").get(WHOAMI)

    def failed(*_: object) -> None:
        raise SpoolFailed

    with monkeypatch.context() as full:
        full.setattr(Spool, "write", failed)
        append.appender().flush()
    assert drain() == 1
    assert UnprovenCount.objects.get().requests == 1


def test_stop_writes_the_counters_down(spool: Path) -> None:
    api(HTTP_X_API_KEY="sk_live_nonsense").get(WHOAMI)
    append.stop()
    (name,) = segments.names(spool)
    assert len(segments.read(spool / name, 0, most_lines=9).lines) == 1
    with segments.complete(spool / name) as is_complete:
        assert is_complete


def test_fork_gets_an_appender_and_a_lock_of_its_own(public_key: Issued, spool: Path) -> None:
    api(public_key).get(WHOAMI)
    api(HTTP_X_API_KEY="sk_live_nonsense").get(WHOAMI)
    mine = append.appender()
    (name,) = segments.names(spool)
    before = (spool / name).read_bytes()
    with append._lock:
        if not (child := os.fork()):
            signal.alarm(10)  # a lock that stays taken would block this child for ever
            os._exit(append.appender() is mine)
        assert os.waitpid(child, 0)[1] == 0
    assert (spool / name).read_bytes() == before
    assert append.appender() is mine
