"""Build the verification call for a request and interpret the answer. Pure: no network access."""

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
from keyway.wire import Answer, Call, Failure, without_none

logger = logging.getLogger("keyway")

PATH = "/api/v1/verify"
RETRY_AFTER_SECONDS = 1
# Keyway's response headers that are meant for the caller.
_RELAYED_HEADERS = ("WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy")
_CHALLENGE = {"WWW-Authenticate": 'ApiKey realm="Keyway"'}
_TOKEN_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Keyway", error="invalid_token"'}
_TOKEN_PREFIX = "oat_"  # noqa: S105
_MAX_CREDENTIAL = 512
_MAX_TEXT = 2048


@dataclass(frozen=True, slots=True)
class Incoming:
    """The parts of an incoming request that verification needs.

    `key` is the X-API-Key header, or None if it is absent. If it was sent several times, join the
    values with commas, which Keyway refuses. `authorization` is the Authorization header. Only a
    Keyway access token in it is forwarded: any other credential belongs to another system.
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
        """The Keyway access token presented in ``Authorization: Bearer``, if any."""
        scheme, _, token = (self.authorization or "").strip().partition(" ")
        token = token.strip()
        return token if scheme.lower() == "bearer" and token.startswith(_TOKEN_PREFIX) else None

    @property
    def is_for_keyway(self) -> bool:
        return self.key is not None or self.token is not None


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a valid credential must also satisfy. `organization` is ``org_…`` or a slug."""

    scope: str | None = None
    environment: str | None = None
    organization: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The owner and permissions of a key or token at the time of verification.

    Do not cache it: the credential may be revoked at any moment. `key_id` is set for a key,
    `application_id` for an access token.
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
    """The request is denied. Respond with `status`, `headers` and `body`. `code` is the reason."""

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
        """The denial as an RFC 9457 problem."""
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


def prepare(incoming: Incoming, requirements: Requirements) -> tuple[Call[Identity], Credential]:
    """Build the call. Raises Denied at once if the credential is missing, double or malformed."""
    credential = _credential(incoming)
    query = without_none(
        scope=requirements.scope,
        environment=requirements.environment,
        organization=requirements.organization,
    )
    return Call(
        "GET", PATH, _identity, query=tuple(query.items()), headers=_forwarded_headers(incoming)
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
    return is_presentable(text) and len(text) <= _MAX_CREDENTIAL


def verification_exchange(call: Call[Identity]) -> Exchange[Identity]:
    """Yield the call and return the identity. Raises Denied for any outcome but Keyway's 204.

    Fails closed: if Keyway does not answer, the request is denied.
    """
    outcome = yield call
    # A pooled connection may have been closed meanwhile, so try once more. Not after a timeout: it
    # would double the caller's wait.
    if isinstance(outcome, Failure) and not outcome.is_timeout:
        outcome = yield call
    if isinstance(outcome, Answer) and outcome.status == 204:
        return call.read(outcome)
    error = error_in(outcome) if outcome else None
    if isinstance(outcome, Answer) and error and _is_callers_fault(outcome, error):
        raise Denied(error.status, error.code, error.detail, _relayed_headers(outcome))
    logger.error("Cannot verify a key: %s", error or "the answer did not come from Keyway")
    raise _unavailable(outcome)


def _is_callers_fault(answer: Answer, error: KeywayError) -> bool:
    """Whether Keyway itself denied the credential, for a reason the caller can fix.

    A 401 of a proxy, and Keyway's 400 for this service's own mistake, become a 503 instead.
    """
    is_keyways = error.code != "" and answer.headers.get("x-keyway-denial") == error.code
    return is_keyways and (error.status in {401, 403, 429} or error.code == "several_credentials")


def _forwarded_headers(incoming: Incoming) -> dict[str, str]:
    facts = {
        "X-Original-Method": incoming.method,
        # Without the query string, which may contain secrets of this service.
        "X-Original-URI": incoming.uri.partition("?")[0].partition("#")[0],
        "X-Forwarded-For": incoming.client_ip,
        "User-Agent": incoming.user_agent,
    }
    headers = {name: _header_safe(value) for name, value in facts.items() if value}
    if incoming.organization is None:
        return headers
    # Forward an empty header too: it names an organization, and not the key's.
    return headers | {"X-Organization-Id": _header_safe(incoming.organization)}


def _relayed_headers(answer: Answer) -> dict[str, str]:
    return {
        title: answer.headers[title.lower()]
        for title in _RELAYED_HEADERS
        if title.lower() in answer.headers
    }


def _identity(answer: Answer) -> Identity:
    facts = {
        name: printable(answer.headers.get(f"x-keyway-{name}"))
        for name in ("organization", "kind", "environment")
    }
    key, application = (
        answer.headers.get(f"x-keyway-{name}") or None for name in ("key", "application")
    )
    if not all(facts.values()) or (key is None) == (application is None):
        logger.error(
            "Cannot verify a key: the 204 does not say whose it is. Check that the base URL is"
            " Keyway's."
        )
        raise _unavailable(answer)
    return Identity(
        key_id=key,
        application_id=application,
        organization_id=facts["organization"],
        kind=facts["kind"],
        environment=facts["environment"],
        scopes=frozenset(answer.headers.get("x-keyway-scopes", "").split()),
        owner_id=answer.headers.get("x-keyway-owner") or None,
    )


def _unavailable(outcome: Answer | Failure | None) -> Denied:
    after = outcome.headers.get("retry-after", "") if isinstance(outcome, Answer) else ""
    headers = {"Retry-After": after if after.isdecimal() else str(RETRY_AFTER_SECONDS)}
    return Denied(
        503, "unavailable", "The key could not be verified just now; try again shortly.", headers
    )


def _header_safe(text: str) -> str:
    """Make untrusted text safe for a header: printable ASCII, at most 2,048 characters."""
    return "".join(each if " " <= each <= "~" else "?" for each in text[:_MAX_TEXT]).strip()
