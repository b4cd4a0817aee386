"""What a service asks Keyway about a request it got, and what the answer means. Pure: keyway.verifier asks."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keyway.errors import KeywayError
from keyway.problems import error_in, printable
from keyway.retries import Exchange
from keyway.secret import Secret
from keyway.settings import Credential, is_presentable
from keyway.wire import Answer, Call, Failure, given

logger = logging.getLogger("keyway")

PATH = "/api/v1/verify"
RETRY_AFTER_SECONDS = 1
# What Keyway sends to be passed on to the caller.
_PASSED_ON = ("WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy")
_CHALLENGE = {"WWW-Authenticate": 'ApiKey realm="Keyway"'}
_TOKEN_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Keyway", error="invalid_token"'}
_TOKEN_PREFIX = "oat_"  # noqa: S105
_MOST_CREDENTIAL = 512
_MOST_TEXT = 2048


@dataclass(frozen=True, slots=True)
class Incoming:
    """What of an incoming request Keyway is told. `key` is what came in X-API-Key, None where nothing did.

    Where the header came several times, `key` is all of them, joined by commas: Keyway refuses that. `authorization` is that
    header, of which Keyway is told nothing but an access token of its own: what else stands there is somebody else's.
    """

    key: str | Secret | None = field(default=None, repr=False)
    method: str = ""
    uri: str = ""
    client_ip: str = ""
    organization: str | None = None
    user_agent: str = ""
    authorization: str | None = field(default=None, repr=False)

    @property
    def token(self) -> str | None:
        """The access token that Keyway's OAuth handed out, as it came in ``Authorization: Bearer``."""
        scheme, _, token = (self.authorization or "").strip().partition(" ")
        token = token.strip()
        return token if scheme.lower() == "bearer" and token.startswith(_TOKEN_PREFIX) else None

    @property
    def is_for_keyway(self) -> bool:
        return self.key is not None or self.token is not None


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked of the credential beyond its being good. `organization` is ``org_…`` or a slug."""

    scope: str | None = None
    environment: str | None = None
    organization: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose key or token it is and what it may do, at the moment it was asked. Not to be kept: it may be revoked the next.

    A key has a `key_id`; an access token has the `application_id` of whose it is.
    """

    key_id: str | None = None
    application_id: str | None = None
    organization_id: str
    kind: str
    environment: str
    scopes: frozenset[str] = frozenset()
    owner_id: str | None = None

    def has_scope(self, scope: str) -> bool:
        """``admin`` covers every scope."""
        return scope in self.scopes or "admin" in self.scopes


class Denied(Exception):
    """The request is refused: answer it with `status`, `headers` and `body`. `code` says why."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, code, detail, headers)
        self.status, self.code, self.detail = status, code, detail
        self.headers = {"Cache-Control": "no-store", **(headers or {})}

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"

    @property
    def problem(self) -> dict[str, Any]:
        """RFC 9457."""
        return {
            "type": "about:blank",
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }

    @property
    def body(self) -> bytes:
        """`problem` as ``application/problem+json``."""
        return json.dumps(self.problem).encode()


def ask(incoming: Incoming, demands: Demands) -> tuple[Call[Identity], Credential]:
    """Raises Denied for what need not be asked: no credential, two, or what can be none."""
    credential = _credential(incoming)
    asked = given(
        scope=demands.scope, environment=demands.environment, organization=demands.organization
    )
    return Call(
        "GET", PATH, _identity, query=tuple(asked.items()), headers=_told(incoming)
    ), credential


def _credential(incoming: Incoming) -> Credential:
    key, token = incoming.key, incoming.token
    if token is not None:
        if key is not None or "," in token:
            raise Denied(400, "several_credentials", "Present one credential: a key, or a token.")
        if not _may_be_sent(token):
            raise Denied(
                401, "invalid_token", "The token is malformed, unknown or wrong.", _TOKEN_CHALLENGE
            )
        return Credential(Secret(token), is_token=True)
    if key is None:
        raise Denied(401, "missing_key", "Present a key in the X-API-Key header.", _CHALLENGE)
    secret = key if isinstance(key, Secret) else Secret(key.strip())
    if not _may_be_sent(secret.reveal()):
        raise Denied(401, "invalid_key", "The key is malformed, unknown or wrong.", _CHALLENGE)
    return Credential(secret)


def _may_be_sent(text: str) -> bool:
    return is_presentable(text) and len(text) <= _MOST_CREDENTIAL


def inquiry(call: Call[Identity]) -> Exchange[Identity]:
    """Yield the call, again at once where its connection turned out to be closed. Raises Denied for all but Keyway's yes.

    When Keyway does not answer, the answer is no.
    """
    outcome = yield call
    if isinstance(outcome, Failure) and not outcome.is_timeout:
        outcome = yield call
    if isinstance(outcome, Answer) and outcome.status == 204:
        return call.read(outcome)
    error = error_in(outcome) if outcome else None
    if isinstance(outcome, Answer) and error and _is_the_callers(outcome, error):
        raise Denied(error.status, error.code, error.detail, _passed_on(outcome))
    logger.error("A key could not be verified: %s", error or "the answer is not Keyway's")
    raise _unavailable(outcome)


def _is_the_callers(answer: Answer, error: KeywayError) -> bool:
    """Whether Keyway itself refused, for a cause that the caller can remove; other causes are this service's, or a proxy's."""
    is_keyways = error.code != "" and answer.headers.get("x-keyway-denial") == error.code
    return is_keyways and (error.status in {401, 403, 429} or error.code == "several_credentials")


def _told(incoming: Incoming) -> dict[str, str]:
    told = {
        "X-Original-Method": incoming.method,
        # A query may hold what is nobody's business.
        "X-Original-URI": incoming.uri.partition("?")[0].partition("#")[0],
        "X-Forwarded-For": incoming.client_ip,
        "User-Agent": incoming.user_agent,
    }
    headers = {name: _fit(value) for name, value in told.items() if value}
    if incoming.organization is None:
        return headers
    # One that is there and empty is still not the key's.
    return headers | {"X-Organization-Id": _fit(incoming.organization)}


def _passed_on(answer: Answer) -> dict[str, str]:
    return {
        title: answer.headers[title.lower()]
        for title in _PASSED_ON
        if title.lower() in answer.headers
    }


def _identity(answer: Answer) -> Identity:
    told = {
        name: printable(answer.headers.get(f"x-keyway-{name}"))
        for name in ("organization", "kind", "environment")
    }
    key, application = (
        answer.headers.get(f"x-keyway-{name}") or None for name in ("key", "application")
    )
    if not all(told.values()) or (key is None) == (application is None):
        logger.error(
            "A key could not be verified: 204, without saying whose it is. Is the base URL Keyway's?"
        )
        raise _unavailable(answer)
    return Identity(
        key_id=key,
        application_id=application,
        organization_id=told["organization"],
        kind=told["kind"],
        environment=told["environment"],
        scopes=frozenset(answer.headers.get("x-keyway-scopes", "").split()),
        owner_id=answer.headers.get("x-keyway-owner") or None,
    )


def _unavailable(outcome: Answer | Failure | None) -> Denied:
    after = outcome.headers.get("retry-after", "") if isinstance(outcome, Answer) else ""
    headers = {"Retry-After": after if after.isdecimal() else str(RETRY_AFTER_SECONDS)}
    return Denied(
        503, "unavailable", "The key could not be verified just now; try again shortly.", headers
    )


def _fit(text: str) -> str:
    """What a stranger wrote, fit to stand in a header."""
    return "".join(each if " " <= each <= "~" else "?" for each in text[:_MOST_TEXT]).strip()
