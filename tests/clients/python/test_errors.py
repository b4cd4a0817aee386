"""Every error response raises the class of its family, with Keyway's code, also behind proxies."""

import copy
import pickle
from typing import Any

import keyway
import pytest
from keyway.problems import error_in
from keyway.wire import Answer

from config.lib.problems import PROBLEMS
from tests.clients.python.conftest import Connect
from tests.clients.python.scripted import Reply, ScriptedServer, ok, problem

FAMILIES = {
    400: keyway.InvalidRequest,
    401: keyway.AuthenticationError,
    403: keyway.PermissionDenied,
    404: keyway.NotFound,
    405: keyway.InvalidRequest,
    406: keyway.InvalidRequest,
    409: keyway.Conflict,
    413: keyway.InvalidRequest,
    415: keyway.InvalidRequest,
    422: keyway.InvalidRequest,
    429: keyway.RateLimited,
    500: keyway.ServerError,
    503: keyway.Unavailable,
}
OWN_CLASS = {
    "validation_failed": keyway.ValidationFailed,
    "invalid_batch": keyway.BatchRefused,
    "idempotency_key_reused": keyway.Conflict,
}


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_error_code_maps_to_its_class(code: str) -> None:
    reply = problem(PROBLEMS[code].status, code, "Why.", headers={"X-Request-Id": "abc12345"})
    headers = {name.lower(): value for name, value in reply.headers.items()}
    error = error_in(Answer(reply.status, headers, reply.content))
    assert type(error) is OWN_CLASS.get(code, FAMILIES[reply.status])
    assert error
    assert (error.code, error.status, error.detail, error.request_id) == (
        code,
        reply.status,
        "Why.",
        "abc12345",
    )
    assert str(error) == f"{reply.status} {code}: Why. (request abc12345)"


def test_validation_error_lists_its_fields(connect: Connect) -> None:
    refusal = problem(422, "validation_failed", errors={"name": ["Too long."], "scopes": "None."})
    with ScriptedServer(refusal) as server, pytest.raises(keyway.ValidationFailed) as refused:
        connect(server.url).keys.create("CI", scopes=[])
    assert refused.value.errors == {"name": ["Too long."], "scopes": ["None."]}


def test_refused_batch_lists_its_reasons(connect: Connect) -> None:
    rejected = [{"index": 0, "code": "missing_field", "detail": "…"}]
    refusal = problem(422, "invalid_batch", rejected=rejected)
    with ScriptedServer(refusal) as server, pytest.raises(keyway.BatchRefused) as refused:
        connect(server.url).agent.send_events([{}])
    assert refused.value.rejected == rejected


HTML = b"<html><body><h1>Forbidden</h1></body></html>"


@pytest.mark.parametrize(
    ("status", "family"),
    [
        (401, keyway.AuthenticationError),
        (403, keyway.PermissionDenied),
        (502, keyway.Unavailable),
        (520, keyway.ServerError),
    ],
)
def test_proxy_page_maps_to_its_status_without_its_text(
    connect: Connect, status: int, family: type[keyway.ApiError]
) -> None:
    with (
        ScriptedServer(Reply(status, HTML, {"Content-Type": "text/html"})) as server,
        pytest.raises(family) as refused,
    ):
        connect(server.url, max_retries=0).whoami()
    assert type(refused.value) is family
    assert "Forbidden" not in str(refused.value)
    assert refused.value.code == ""


BODIES = {
    "html": (HTML, "text/html"),
    "a list": (b"[]", "application/json"),
    "deep": (b"[" * 100_000, "application/json"),
    "not utf-8": (b'{"scopes": "\xff"}', "application/json"),
    "nothing": (b"", "application/json"),
    "without required fields": (b"{}", "application/json"),
    "of wrong types": (b'{"organization": 7, "scopes": []}', "application/json"),
}


@pytest.mark.parametrize(("body", "kind"), BODIES.values(), ids=BODIES)
def test_foreign_success_answer_is_an_error(connect: Connect, body: bytes, kind: str) -> None:
    with (
        ScriptedServer(Reply(200, body, {"Content-Type": kind})) as server,
        pytest.raises(keyway.UnexpectedAnswer),
    ):
        connect(server.url).whoami()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"code": 7, "detail": []}', b"[" * 100_000, b"\xff"]
)
def test_malformed_problem_maps_to_its_status(connect: Connect, body: bytes) -> None:
    reply = Reply(404, body, {"Content-Type": "application/problem+json"})
    with ScriptedServer(reply) as server, pytest.raises(keyway.NotFound):
        connect(server.url).whoami()


def test_problem_text_fits_one_log_line(connect: Connect) -> None:
    refusal = problem(403, "forbid\nden", "No.\r\nALERT all is well\x1b[2J" + "x" * 10_000)
    with ScriptedServer(refusal) as server, pytest.raises(keyway.PermissionDenied) as refused:
        connect(server.url).whoami()
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1500


def test_unknown_fields_are_ignored(connect: Connect) -> None:
    body = {
        "organization": {"id": "o", "name": "n", "slug": "s", "new": 1},
        "scopes": ["a"],
        "new": {"deep": []},
    }
    with ScriptedServer(ok(body)) as server:
        assert connect(server.url).whoami().scopes == ("a",)


@pytest.mark.parametrize(
    "error",
    [
        keyway.KeywayError("d"),
        keyway.RateLimited("d", code="rate_limited", status=429, request_id="r", retry_after=3.0),
        keyway.ValidationFailed("d", status=422, members={"errors": {"a": ["b"]}}),
        keyway.TimedOut("d"),
        keyway.Misconfigured("d"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_pickled(error: Any) -> None:
    for same in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(same) is type(error)
        assert (str(same), vars(same), same.args) == (str(error), vars(error), error.args)
