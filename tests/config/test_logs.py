"""No log line contains a secret, whatever way it got there, and each names its request."""

import io
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from django.test import RequestFactory
from gunicorn.config import Config
from pytest_django import Settings

from apikeys.services import Issued
from config.lib import logs
from config.lib.logs import GunicornLogger, LineFormatter, redact
from config.settings import LOGGING
from tests.apikeys.test_gateway import ask
from tests.conftest import api
from tests.servers.keyway import KeywayServer
from tests.wsgi import call

BODY = "tUsLq8ZrJw3Xc9VbN2mK5pGf7hD4wZ2Q"
SECRETS = [f"sk_live_{BODY}", f"ak_test_{BODY}", f"acme_live_{BODY}", f"acme_eu_test_{BODY}"]
WINDOW = 12


def windows(body: str) -> set[str]:
    return {body[start : start + WINDOW] for start in range(len(body) - WINDOW + 1)}


class Object:
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"<Object {self.secret}>"


class Hostile(Object):
    """An object whose str() raises an error with the secret."""

    def __str__(self) -> str:
        raise ValueError(self.secret)


def raise_and_log(log: logging.Logger, secret: str) -> None:
    try:
        raise ValueError(f"refused {secret}")
    except ValueError:
        log.exception("It failed")


def raise_chained(log: logging.Logger, secret: str) -> None:
    presented = secret  # noqa: F841  a local variable of the frame
    try:
        try:
            dict[str, str]()[secret]
        except KeyError as error:
            error.add_note(f"looked for {secret}")
            raise RuntimeError("outer") from error
    except RuntimeError as error:
        log.error("It failed: %s", error, exc_info=True)


def die_in_a_thread(log: logging.Logger, secret: str) -> None:
    logs._log_crashed_thread(
        threading.ExceptHookArgs(
            (RuntimeError, RuntimeError(secret), None, threading.current_thread())
        )
    )
    log.debug("thread died")


def meta(secret: str) -> dict[str, Any]:
    return (
        RequestFactory()
        .get(
            f"/keys/{secret}?key={secret}",
            HTTP_X_API_KEY=secret,
            HTTP_USER_AGENT=secret,
            HTTP_AUTHORIZATION=f"Bearer {secret}",
            HTTP_COOKIE="keyway=sessionsessionsession; keyway-csrf=csrfcsrfcsrf",
        )
        .META
    )


WAYS: dict[str, Callable[[logging.Logger, str], object]] = {
    "message": lambda log, secret: log.debug(f"presented {secret}."),
    "in the middle of a word": lambda log, secret: log.debug(f"x{secret}x y=[{secret}],{secret};"),
    "argument": lambda log, secret: log.info("presented %s", secret),
    "argument as repr": lambda log, secret: log.info("presented %r", {"key": [secret, (secret,)]}),
    "arguments by name": lambda log, secret: log.info("presented %(key)s", {"key": secret}),
    "bytes": lambda log, secret: log.info("presented %s", secret.encode()),
    "object": lambda log, secret: log.warning("presented %s", Object(secret)),
    "message that is no text": lambda log, secret: log.warning({"key": secret}),
    "arguments that do not fit": lambda log, secret: log.warning("presented %d", secret),
    "too many arguments": lambda log, secret: log.warning("presented", secret),  # noqa: PLE1205
    "argument that cannot be shown": lambda log, secret: log.warning(
        "presented %s", Hostile(secret)
    ),
    "message that cannot be shown": lambda log, secret: log.warning(Hostile(secret)),
    "extra": lambda log, secret: log.info("presented", extra={"key": secret}),
    "name of an extra": lambda log, secret: log.info("presented", extra={secret: 1}),
    "deep in an extra": lambda log, secret: log.info(
        "presented", extra={"k": {"a": [{"b": secret.encode()}, Object(secret)]}}
    ),
    "exception": raise_and_log,
    "chain of exceptions": raise_chained,
    "stack": lambda log, secret: log.info("presented %s", secret, stack_info=True),
    "thread": die_in_a_thread,
    "META": lambda log, secret: log.debug("request %r", meta(secret)),
    "META as extra": lambda log, secret: log.debug("request", extra={"meta": meta(secret)}),
    "cut short": lambda log, secret: log.debug(f"presented {secret[:-6]}…"),
}


@pytest.fixture(params=["json", "console"])
def sink(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Return everything that is logged at DEBUG, in each format."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter(request.param))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("way", WAYS)
def test_secrets_are_redacted(
    way: str, secret: str, sink: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    WAYS[way](logging.getLogger("tests"), secret)
    written = sink.getvalue() + "".join(capfd.readouterr())
    assert written
    assert not [window for window in windows(BODY) if window in written]
    assert "sessionsession" not in written


def test_local_variables_are_not_logged(sink: io.StringIO) -> None:
    def sign_in(password: str) -> None:
        raise RuntimeError("away")

    try:
        sign_in("staple battery horse correct"[::-1])
    except RuntimeError:
        logging.getLogger("tests").exception("It failed")
    assert "RuntimeError: away" in sink.getvalue()
    assert "tcerroc" not in sink.getvalue()


def test_text_without_a_secret_is_unchanged() -> None:
    for line in (
        "sk_live_tUsL…4wZ2",
        "key_01jd8x3k5pf6hqn7q2r9v0w1yz",
        "a bearer of news",
        "live_or_let",
        "Basic authentication",
    ):
        assert redact(line) == line


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.{BODY}.x",
        f"authorization: basic {BODY}=",
        f"cookie: __Host-keyway={BODY}; other=1",
        f"$argon2id$v=19$m=19456,t=2,p=1${BODY}${BODY}",
    ],
)
def test_other_credentials_are_redacted(line: str) -> None:
    assert BODY not in redact(line)


def test_one_handler_formats_all_logs() -> None:
    assert LOGGING["formatters"]["line"]["()"] == "config.lib.logs.LineFormatter"
    assert LOGGING["root"]["handlers"] == ["stderr"]
    assert not [logger for logger in LOGGING["loggers"].values() if logger.get("handlers")]


def test_gunicorns_logs_have_the_same_format(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = Config()
    settings.set("accesslog", "-")
    settings.set("access_log_format", '%(h)s "%(m)s %(U)s %(H)s" %(s)s "%(a)s"')
    logger = GunicornLogger(settings)
    response = SimpleNamespace(status="200 OK", sent=1, headers=[], status_code=200)
    request = SimpleNamespace(headers=[("USER-AGENT", SECRETS[0])])
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": "/",
        "PATH_INFO": f"/{SECRETS[1]}",
        "SERVER_PROTOCOL": "HTTP/1.1",
    } | {"HTTP_USER_AGENT": SECRETS[0]}
    logger.access(response, request, environ, timedelta(seconds=1))
    logger.error("worker died of %s", SECRETS[2])
    output = "".join(capsys.readouterr())
    lines = [json.loads(line) for line in output.splitlines()]
    assert {line["logger"] for line in lines} == {"gunicorn.access", "gunicorn.error"}
    assert BODY not in output


def line_of(sink: io.StringIO, event: str) -> dict[str, Any]:
    return next(
        line for line in map(json.loads, sink.getvalue().splitlines()) if line["event"] == event
    )


@pytest.mark.django_db
@pytest.mark.parametrize("sink", ["json"], indirect=True)
def test_line_names_request_organization_and_key(
    sink: io.StringIO, public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_a_line(*_: object) -> tuple[()]:
        logging.getLogger("tests").info("in the request")
        return ()

    monkeypatch.setattr("apikeys.verify.gateway._identity", log_a_line)
    response = ask(public_key)
    line = line_of(sink, "in the request")
    assert line["request_id"] == response.headers["X-Request-Id"]
    assert (line["organization"], line["key"]) == (
        public_key.key.organization.public_id,
        public_key.key.public_id,
    )
    assert ask().status == 401
    logging.getLogger("tests").info("after the next one")
    assert "key" not in line_of(sink, "after the next one")


def test_request_id_comes_from_trusted_proxies_only(settings: Settings) -> None:
    given = {"HTTP_X_REQUEST_ID": "4bf92f3577b34da6a3ce929d0e0e4736"}
    assert call("/healthz", **given).headers["X-Request-Id"] != given["HTTP_X_REQUEST_ID"]
    settings.KEYWAY_TRUSTED_PROXIES = 1
    assert call("/healthz", **given).headers["X-Request-Id"] == given["HTTP_X_REQUEST_ID"]


@pytest.mark.parametrize(
    "given",
    ["", "short", "a" * 129, "with space1", "line\nbreak", "é" * 20, SECRETS[0], "'; DROP--12"],
)
def test_an_invalid_request_id_is_replaced(given: str, settings: Settings) -> None:
    settings.KEYWAY_TRUSTED_PROXIES = 1
    assert re.fullmatch(
        r"[0-9a-f]{32}", call("/healthz", HTTP_X_REQUEST_ID=given).headers["X-Request-Id"]
    )


def test_every_response_has_its_own_id() -> None:
    assert len({call("/healthz").headers["X-Request-Id"] for _ in range(100)}) == 100


@pytest.mark.django_db
def test_refusals_are_not_logged_one_by_one(sink: io.StringIO) -> None:
    for _ in range(10):
        assert api(HTTP_X_API_KEY="nonsense").get("/api/v1/whoami").status_code == 401
    assert "whoami" not in sink.getvalue()


HEADERS = (
    "X-API-Key",
    "X-Request-Id",
    "User-Agent",
    "Referer",
    "X-Forwarded-For",
    "X-Organization-Id",
)


@pytest.mark.server
def test_debug_server_logs_json_without_secrets() -> None:
    with KeywayServer(
        EMAIL_URL="dummymail://",  # the console transport writes to the same stream
        KEYWAY_LOG_LEVEL="DEBUG",
        KEYWAY_ACCESS_LOG="-",
        KEYWAY_TRUSTED_PROXIES="1",
    ) as server:
        bodies = set()
        for key in server.seed["keys"][:4]:
            secret = key["secret"]
            bodies |= windows(secret[-32:])
            for path in (
                "/api/v1/verify",
                "/api/v1/whoami",
                f"/api/v1/verify?scope={secret}",
                f"/keys/{secret}?k={secret}",
            ):
                for name in HEADERS:
                    requests.get(
                        f"{server.url}{path}",
                        headers={name: secret, "X-Original-URI": f"/{secret}"},
                        timeout=20,
                    )
            requests.get(
                f"{server.url}/api/v1/whoami",
                headers={"Authorization": f"Bearer {secret}"},
                timeout=20,
            )
            requests.post(
                f"{server.url}/accounts/login/", {"login": secret, "password": secret}, timeout=20
            )
            garbage(server.port, secret)
        server.stop()
        written = server.log.read_text()
    assert "/api/v1/verify" in written
    assert not [window for window in bodies if window in written]
    for line in written.splitlines():
        assert json.loads(line)["logger"]


def garbage(port: int, secret: str) -> None:
    """gunicorn itself refuses these requests and logs them."""
    for line in (
        f"GET /{secret}\r\n\r\n",
        f"{secret} / HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nX-API-Key {secret}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(line.encode())
            connection.settimeout(60)
            connection.recv(65536)
