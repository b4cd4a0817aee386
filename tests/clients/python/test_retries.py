"""Retries honor Retry-After, happen only where they are safe, and are bounded."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyway import ConnectionFailed, RateLimited, TimedOut, Unavailable, UnexpectedAnswer
from keyway.problems import retry_after
from keyway.retries import FIRST_SECONDS, MOST_SECONDS, Pause, Retries, exchange, pause
from keyway.wire import Answer, Call

from tests.clients.python.conftest import Connect
from tests.clients.python.scripted import HangUp, ScriptedServer, ok, problem
from tests.servers.ports import free_port

WHOAMI = {"organization": {"id": "org_1", "name": "Acme", "slug": "acme"}, "scopes": []}
KEY: dict[str, Any] = {
    "id": "key_1",
    "name": "CI",
    "kind": "public",
    "environment": "live",
    "organization_id": "org_1",
    "scopes": [],
    "status": "active",
    "created_at": "2026-01-02T03:04:05Z",
}
ISSUED = {**KEY, "key": "sk_live_" + "x" * 32}


def busy(after: str = "0") -> Any:
    return problem(503, "unavailable", headers={"Retry-After": after})


def limited(after: str = "0") -> Any:
    return problem(429, "rate_limited", headers={"Retry-After": after})


@pytest.mark.parametrize(
    "refusal",
    [busy(), limited(), problem(502, "x"), HangUp()],
    ids=["503", "429", "502", "hang-up"],
)
def test_idempotent_call_is_retried(connect: Connect, refusal: Any) -> None:
    with ScriptedServer(refusal, refusal, ok(WHOAMI)) as server:
        assert connect(server.url).whoami().organization.slug == "acme"
        assert len(server.received) == 3


def test_retries_stop_at_max_retries(connect: Connect) -> None:
    with ScriptedServer(busy()) as server:
        with pytest.raises(Unavailable):
            connect(server.url, max_retries=1).whoami()
        assert len(server.received) == 2


def test_retry_after_beyond_max_wait_raises_at_once(connect: Connect) -> None:
    with ScriptedServer(limited("3600")) as server:
        began = time.monotonic()
        with pytest.raises(RateLimited) as refused:
            connect(server.url).whoami()
        assert time.monotonic() - began < 30
        assert refused.value.retry_after == 3600
        assert len(server.received) == 1


def test_unreachable_server_raises_connection_failed(connect: Connect) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        connect(f"http://127.0.0.1:{free_port()}", max_retries=1).whoami()
    assert failed.value.status == 0


def test_slow_answer_raises_timed_out(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimedOut):
        connect(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05, max_retries=0).whoami()


def test_create_is_retried_with_one_idempotency_key(connect: Connect) -> None:
    with ScriptedServer(HangUp(), busy(), ok(ISSUED)) as server:
        issued = connect(server.url).keys.create("CI", scopes=[])
        assert issued.secret.reveal() == ISSUED["key"]
        assert len({received.headers["idempotency-key"] for received in server.received}) == 1
        assert len({received.body for received in server.received}) == 1


def test_each_create_has_its_own_idempotency_key(connect: Connect) -> None:
    with ScriptedServer(ok(ISSUED)) as server:
        client = connect(server.url)
        client.keys.create("CI", scopes=[])
        client.keys.create("CI", scopes=[])
        first, second = (received.headers["idempotency-key"] for received in server.received)
        assert first != second


@pytest.mark.parametrize(
    ("loss", "error"),
    [
        (HangUp(), ConnectionFailed),
        (busy(), Unavailable),
        (problem(503, "unavailable"), Unavailable),
        (problem(502, ""), Unavailable),
    ],
    ids=["hang-up", "503 with Retry-After", "503", "502"],
)
def test_rotation_that_may_have_happened_is_not_retried(
    connect: Connect, loss: Any, error: type[Exception]
) -> None:
    with ScriptedServer(loss, ok(ISSUED)) as server:
        with pytest.raises(error):
            connect(server.url).keys.rotate("key_1", grace=60)
        assert len(server.received) == 1


def test_rotation_that_was_never_sent_is_retried(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "keyway")
    with pytest.raises(ConnectionFailed) as failed:
        connect(f"http://127.0.0.1:{free_port()}", max_retries=2).keys.rotate("key_1")
    assert failed.value.never_sent
    assert caplog.text.count("retrying in") == 2
    with ScriptedServer(HangUp()) as server, pytest.raises(ConnectionFailed) as failed:
        connect(server.url, max_retries=0).keys.rotate("key_1")
    assert not failed.value.never_sent


def test_rate_limited_rotation_is_retried(connect: Connect) -> None:
    with ScriptedServer(limited(), ok(ISSUED)) as server:
        assert connect(server.url).keys.rotate("key_1", grace=timedelta(hours=1)).secret
        assert [json.loads(received.body) for received in server.received] == [{"grace": 3600}] * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_refused_call_is_not_retried(connect: Connect, status: int) -> None:
    with ScriptedServer(problem(status, "some_code")) as server:
        with pytest.raises(Exception, match="some_code"):
            connect(server.url).whoami()
        assert len(server.received) == 1


def test_redirect_is_not_followed(connect: Connect) -> None:
    with ScriptedServer(ok({})) as elsewhere:
        away = problem(307, "", headers={"Location": f"{elsewhere.url}/api/v1/whoami"})
        with ScriptedServer(away) as server, pytest.raises(UnexpectedAnswer):
            connect(server.url).whoami()
        assert elsewhere.received == []


NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"retry-after": format_datetime(NOW - timedelta(days=1), usegmt=True)}, 0.0),
        # The server's clock is an hour ahead, so its Retry-After is relative to its own Date.
        (
            {
                "retry-after": format_datetime(NOW + timedelta(hours=1, seconds=5), usegmt=True),
                "date": format_datetime(NOW + timedelta(hours=1), usegmt=True),
            },
            5.0,
        ),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "²"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(Answer(503, headers), NOW) == seconds


@given(st.integers(0, 30), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1000)))
def test_pause_honors_retry_after_and_is_otherwise_bounded(
    attempt: int, jitter: float, asked: float | None
) -> None:
    seconds = pause(Unavailable("", retry_after=asked), attempt, jitter)
    if asked is None:
        assert FIRST_SECONDS / 2 <= seconds <= MOST_SECONDS
    else:
        assert asked <= seconds <= asked + FIRST_SECONDS


@given(
    st.integers(0, 20),
    st.floats(0, 100),
    st.lists(st.floats(0, 1), min_size=21, max_size=21),
    st.sampled_from(["", "3"]),
)
def test_total_pauses_stay_within_the_longest_wait(
    most: int, longest: float, jitters: list[float], after: str
) -> None:
    call = Call("GET", "/", lambda answer: answer)
    steps = exchange(call, Retries(most, longest), iter(jitters).__next__)
    waited, calls, step = 0.0, 0, next(steps)
    with pytest.raises(Unavailable):
        while True:
            waited += step.seconds if isinstance(step, Pause) else 0
            calls += not isinstance(step, Pause)
            step = steps.send(
                None
                if isinstance(step, Pause)
                else Answer(503, {"retry-after": after} if after else {})
            )
    assert waited <= longest
    assert calls <= most + 1
