"""A secret is sent in one header and appears in no repr, log, error or pickle."""

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import asdict
from types import FrameType
from typing import Any

import keyway
import pytest
from keyway import Client, Denied, Incoming, IssuedKey, Secret, Verifier

from tests.clients.python.conftest import KEY, Connect
from tests.clients.python.scripted import HangUp, Reply, ScriptedServer, ok, problem
from tests.clients.python.test_retries import ISSUED

ISSUED_SECRET = ISSUED["key"]


def test_secret_is_hidden_except_by_reveal() -> None:
    secret = Secret(KEY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>20}",
        "%s" % secret,  # noqa: UP031
        repr([secret]),
        repr(vars),
    ]
    assert not [text for text in shown if KEY in text]
    assert secret.reveal() == KEY
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    assert secret == Secret(KEY)
    assert secret != Secret(ISSUED_SECRET)
    with pytest.raises(TypeError):
        json.dumps(secret)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secret_and_its_holders_cannot_be_pickled(protocol: int) -> None:
    with (
        Client(api_key=KEY, base_url="https://keyway.example") as client,
        ScriptedServer(ok(ISSUED)) as server,
    ):
        with Client(api_key=KEY, base_url=server.url) as other:
            issued = other.keys.create("CI", scopes=[])
        for holder in (Secret(KEY), client, client.keys, issued):
            with pytest.raises(TypeError):
                pickle.dumps(holder, protocol)


def test_issued_key_hides_its_secret(connect: Connect) -> None:
    with ScriptedServer(ok(ISSUED)) as server:
        issued: IssuedKey = connect(server.url).keys.create("CI", scopes=[])
    assert issued.secret.reveal() == ISSUED_SECRET
    assert ISSUED_SECRET not in f"{issued} {issued!r} {asdict(issued)}"


def test_replayed_create_advises_to_rotate(connect: Connect) -> None:
    replayed = {name: value for name, value in ISSUED.items() if name != "key"} | {
        "secret_shown": True
    }
    with ScriptedServer(ok(replayed)) as server:
        issued = connect(server.url).keys.create("CI", scopes=[])
    assert issued.key is None
    with pytest.raises(keyway.SecretNotShown, match="Rotate"):
        _ = issued.secret


TROUBLES: dict[str, Any] = {
    "refused": problem(403, "forbidden", f"You sent {KEY}.", errors={"key": [KEY]}),
    "a debugging page": Reply(500, f"X-API-Key: {KEY}".encode(), {"Content-Type": "text/html"}),
    "a redirect": Reply(307, b"", {"Location": "/elsewhere"}),
    "hang-up": HangUp(),
    "no JSON": Reply(200, b"<html>"),
    "garbage in gzip": Reply(200, b"no gzip", {"Content-Encoding": "gzip"}),
    "a malformed header": Reply(200, b"{}", {"Bad Header": "x"}),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_errors_and_logs_hide_the_key(
    connect: Connect, trouble: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(trouble) as server:
        client = connect(server.url, max_retries=1)
        with pytest.raises(keyway.KeywayError) as raised:
            client.whoami()
        assert server.received[0].headers["x-api-key"] == KEY
        assert KEY not in repr(client) + repr(vars(client))
    assert_hidden(raised.value, KEY)
    assert caplog.records
    assert KEY not in caplog.text
    assert KEY not in "".join(repr(vars(record)) for record in caplog.records)


def test_verifier_hides_the_callers_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for trouble in TROUBLES.values():
        with ScriptedServer(trouble) as server, Verifier(base_url=server.url) as verifier:
            incoming = Incoming(KEY)
            with pytest.raises(Denied) as raised:
                verifier.verify(incoming)
        assert_hidden(raised.value, KEY)
        assert KEY not in repr(incoming) + repr(raised.value.headers) + raised.value.body.decode()
    assert KEY not in caplog.text


def test_secret_passed_as_an_id_is_never_sent(connect: Connect) -> None:
    with ScriptedServer(ok(ISSUED)) as server:
        client = connect(server.url)
        calls: list[Callable[[str], Any]] = [
            client.keys.get,
            client.keys.rotate,
            client.keys.revoke,
            client.keys.usage,
        ]
        for call in calls:
            for wrong in (KEY, "", "../auth/me", "key_1/../key_2", "key_1?x", "key_\n"):
                with pytest.raises(keyway.Misconfigured) as refused:
                    call(wrong)
                assert KEY not in str(refused.value)
        assert server.received == []


def assert_hidden(error: BaseException, secret: str) -> None:
    """Check the error's text and, as an error tracker would collect them, its frames' locals."""
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert secret not in shown
    assert secret.encode() not in pickle.dumps(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if _is_sdk_frame(frame):
            assert secret not in repr(frame.f_locals), frame


def _is_sdk_frame(frame: FrameType) -> bool:
    return "/clients/python/src/" in frame.f_code.co_filename
