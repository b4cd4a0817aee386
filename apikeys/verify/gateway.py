"""`GET /api/v1/verify`: whose key is this, and may it do what the caller asks?

For services in any language and for reverse proxies. This is a WSGI application of its own, which
config.wsgi calls before Django, so a response needs no sessions, CSRF, templates, messages or
Django REST framework. 204 means yes, with the identity in the headers. Every other outcome is a
problem with a status of 400 or above, so a proxy lets nothing through by accident.
"""

import json
import logging
import re
import time
import uuid
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

from django.utils import timezone

from apikeys import scopes
from apikeys.verify import presentation, throttling, usage_note
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, Subject, authorize
from apikeys.verify.problems import Refused
from config.lib import metrics, problems, wsgi_responses
from config.lib.environment import Environment
from config.lib.ids import encode
from config.lib.problems import ApiProblem

logger = logging.getLogger(__name__)

ROUTE = "/api/v1/verify"
METHODS = ("GET", "HEAD")
PARAMETERS = ("scope", "environment", "organization")
MOST_SPELLINGS = 256
MOST_IDENTITIES = 10_000
MOST_PATH = 1024
# Path segments that are numbers, UUIDs, hashes, prefixed ids, or too long for a word.
_ID = re.compile(r"/(?:\d+|[0-9A-Fa-f-]{16,}|[a-z_]+_[0-9A-Za-z]{16,}|[^/]{41,})(?=/|\Z)")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Demands:
    """What the caller demands of the credential, beyond its being valid."""

    scope: str | None = None
    environment: str | None = None
    organization: str | None = None


class Answer(NamedTuple):
    status: HTTPStatus
    headers: Headers
    body: bytes = b""


_NAMED = {
    Subject.KEY: ("X-Keyway-Key", "key"),
    Subject.APPLICATION: ("X-Keyway-Application", "app"),
}


class _Identity(NamedTuple):
    subject: Subject
    id: uuid.UUID
    organization_id: uuid.UUID
    owner_id: uuid.UUID | None
    kind: str
    environment: str
    scopes: frozenset[str]


def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    began = time.perf_counter()
    answer = _verify(environ)
    # Recorded before the response is sent. A yes that could not be recorded becomes a 503.
    if not usage_note.record(environ, began=began, status=answer.status, **original(environ)):
        answer = _refusal(Refused(Denial(Reason.UNAVAILABLE)))
    metrics.count_request(
        route=ROUTE, method=environ["REQUEST_METHOD"], status=answer.status.value, began=began
    )
    headers = [*answer.headers, *throttling.fields(environ)]
    return wsgi_responses.respond(
        environ, start_response, answer.status, headers=headers, body=answer.body
    )


def original(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the route and method of the request that a proxy asks about, or else of this request.

    nginx names them in X-Original-*, Caddy and Traefik in X-Forwarded-*. Only the path is kept,
    with its ids replaced: the route groups the counts, and a URL may hold a secret.
    """
    uri: str = (
        environ.get("HTTP_X_ORIGINAL_URI")
        or environ.get("HTTP_X_FORWARDED_URI")
        or environ["PATH_INFO"]
    )
    called: str = (
        environ.get("HTTP_X_ORIGINAL_METHOD")
        or environ.get("HTTP_X_FORWARDED_METHOD")
        or environ["REQUEST_METHOD"]
    )
    return {
        "route": _ID.sub("/<id>", uri[:MOST_PATH].partition("?")[0].partition("#")[0]),
        "called": called,
    }


def _verify(environ: WSGIEnvironment) -> Answer:
    try:
        return Answer(HTTPStatus.NO_CONTENT, _identity(_accepted(environ)))
    except Exception as error:
        # Everything, because this is the outermost frame: an error that leaves it would end in the
        # server's own page instead of a problem.
        problem = problems.translate(error)
        if problem is None:
            logger.exception("Verification failed")
            problem = ApiProblem("internal_error")
    if isinstance(problem, Refused):
        usage_note.deny(environ, problem.denial)
    return _refusal(problem)


def _accepted(environ: WSGIEnvironment) -> Credential:
    """Return a credential that meets the demands. Raises ApiProblem."""
    if environ["REQUEST_METHOD"] not in METHODS:
        raise ApiProblem("method_not_allowed", headers={"Allow": ", ".join(METHODS)})
    demands = read_demands(environ.get("QUERY_STRING", ""))
    outcome = presentation.resolve(environ, at=timezone.now()) or Denial(Reason.MISSING_KEY)
    if isinstance(outcome, Credential):
        outcome = _check(outcome, demands) or outcome
    if isinstance(outcome, Denial):
        raise Refused(outcome)
    return outcome


@lru_cache(maxsize=MOST_SPELLINGS)  # a proxy sends the same query with every request
def read_demands(query: str) -> Demands:
    """Read the demands of a query string. Raises ApiProblem.

    Unknown, repeated and empty parameters are errors. A mistyped demand that was ignored would let
    every key through.
    """
    try:
        given = parse_qsl(query, keep_blank_values=True, max_num_fields=len(PARAMETERS))
    except ValueError:
        given = [("", "")]
    demands = dict(given)
    if (
        len(demands) < len(given)
        or not all(demands.values())
        or not demands.keys() <= set(PARAMETERS)
    ):
        raise ApiProblem(
            "invalid_parameter",
            f"The parameters are {', '.join(PARAMETERS)}. Send each at most once, with a value.",
        )
    if demands.get("environment", Environment.LIVE) not in Environment.values:
        raise ApiProblem(
            "invalid_parameter", f"`environment` is one of {', '.join(Environment.values)}."
        )
    if "scope" in demands and demands["scope"] not in scopes.registry():
        raise ApiProblem("invalid_parameter", "`scope` is not one of this installation's scopes.")
    return Demands(**demands)


def _check(credential: Credential, demands: Demands) -> Denial | None:
    return authorize(
        credential,
        scope=demands.scope,
        environment=demands.environment,
        organization=demands.organization,
    )


def _identity(credential: Credential) -> Headers:
    who = _Identity(
        credential.subject,
        credential.id,
        credential.organization.id,
        credential.owner_id,
        credential.kind,
        credential.environment,
        credential.scopes,
    )
    return _identity_headers(who)


@lru_cache(maxsize=MOST_IDENTITIES)
def _identity_headers(who: _Identity) -> Headers:
    # No free text: a name or email with a line break in it could add headers of its own.
    owner = (("X-Keyway-Owner", encode("usr", who.owner_id)),) if who.owner_id else ()
    # A user token has no header of its own, since its user is the owner. Proxies that were set up
    # earlier would let callers write a new header themselves.
    named = _NAMED.get(who.subject)
    return (
        ("Cache-Control", "no-store"),
        ("X-Keyway-Organization", encode("org", who.organization_id)),
        *(((named[0], encode(named[1], who.id)),) if named else ()),
        ("X-Keyway-Kind", str(who.kind)),
        ("X-Keyway-Environment", who.environment),
        ("X-Keyway-Scopes", " ".join(sorted(who.scopes))),
        *owner,
    )


def _refusal(problem: ApiProblem) -> Answer:
    body = json.dumps(problems.body(problem), separators=(",", ":")).encode()
    headers = {
        "Content-Type": problems.CONTENT_TYPE,
        "X-Keyway-Denial": problem.code,
        **problems.headers(problem),
    }
    return Answer(HTTPStatus(problem.status_code), tuple(headers.items()), body)
