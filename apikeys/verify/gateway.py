"""`GET /api/v1/verify`: whose key is this, may it? For services in any language and for reverse proxies.

A WSGI application of its own, which config.wsgi asks before Django: the answer costs neither sessions, CSRF,
templates, messages nor Django REST framework. 204 says yes, and who in its headers. Whatever else can happen
is a problem with a status from 400 up, so that a proxy which asks lets nothing through by accident.
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
from apikeys.verify.judge import Credential, authorize
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
# Numbers, UUIDs, hashes, prefixed ids, and whatever is too long for a word.
_ID = re.compile(r"/(?:\d+|[0-9A-Fa-f-]{16,}|[a-z_]+_[0-9A-Za-z]{16,}|[^/]{41,})(?=/|\Z)")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Demands:
    """What the caller asks of the credential, beyond its being good."""

    scope: str | None = None
    environment: str | None = None
    organization: str | None = None


class Answer(NamedTuple):
    status: HTTPStatus
    headers: Headers
    body: bytes = b""


class _Identity(NamedTuple):
    is_token: bool
    id: uuid.UUID
    organization_id: uuid.UUID
    owner_id: uuid.UUID | None
    kind: str
    environment: str
    scopes: frozenset[str]


def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    began = time.perf_counter()
    answer = _answer(environ)
    if not usage_note.record(environ, began=began, status=answer.status, **original(environ)):
        answer = _refusal(Refused(Denial(Reason.UNAVAILABLE)))
    metrics.count_request(
        route=ROUTE, method=environ["REQUEST_METHOD"], status=answer.status.value, began=began
    )
    headers = [*answer.headers, *throttling.fields(environ)]
    return wsgi_responses.answer(
        environ, start_response, answer.status, headers=headers, body=answer.body
    )


def original(environ: WSGIEnvironment) -> dict[str, str]:
    """What is called, and how: the request that a proxy asks about, where it tells (nginx's names, then Caddy's and Traefik's).

    Only the path is kept, and ids in it are not: the route is counted by, and an address may hold a secret of somebody's.
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


def _answer(environ: WSGIEnvironment) -> Answer:
    try:
        return Answer(HTTPStatus.NO_CONTENT, _identity(_judge(environ)))
    except Exception as error:
        # The outermost frame: nothing above would make a problem of it.
        problem = problems.translate(error)
        if problem is None:
            logger.exception("Verification failed")
            problem = ApiProblem("internal_error")
    if isinstance(problem, Refused):
        usage_note.deny(environ, problem.denial)
    return _refusal(problem)


def _judge(environ: WSGIEnvironment) -> Credential:
    """Raises ApiProblem."""
    if environ["REQUEST_METHOD"] not in METHODS:
        raise ApiProblem("method_not_allowed", headers={"Allow": ", ".join(METHODS)})
    demands = read_demands(environ.get("QUERY_STRING", ""))
    outcome = presentation.resolve(environ, at=timezone.now()) or Denial(Reason.MISSING_KEY)
    if isinstance(outcome, Credential):
        outcome = _ask(outcome, demands) or outcome
    if isinstance(outcome, Denial):
        raise Refused(outcome)
    return outcome


@lru_cache(maxsize=MOST_SPELLINGS)  # a proxy asks the same of every request
def read_demands(query: str) -> Demands:
    """Raises ApiProblem. What is unknown, repeated or empty is refused: a mistyped demand must not let everybody in."""
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
            f"The parameters are {', '.join(PARAMETERS)}: each at most once, and not empty.",
        )
    if demands.get("environment", Environment.LIVE) not in Environment.values:
        raise ApiProblem(
            "invalid_parameter", f"`environment` is one of {', '.join(Environment.values)}."
        )
    if "scope" in demands and demands["scope"] not in scopes.registry():
        raise ApiProblem("invalid_parameter", "`scope` is not one of this installation's scopes.")
    return Demands(**demands)


def _ask(credential: Credential, demands: Demands) -> Denial | None:
    return authorize(
        credential,
        scope=demands.scope,
        environment=demands.environment,
        organization=demands.organization,
    )


def _identity(credential: Credential) -> Headers:
    who = _Identity(
        credential.is_token,
        credential.id,
        credential.organization.id,
        credential.owner_id,
        credential.kind,
        credential.environment,
        credential.scopes,
    )
    return _spell(who)


@lru_cache(maxsize=MOST_IDENTITIES)
def _spell(who: _Identity) -> Headers:
    """Nothing here is free text: no label, no name and no address can break out of a header."""
    owner = (("X-Keyway-Owner", encode("usr", who.owner_id)),) if who.owner_id else ()
    return (
        ("Cache-Control", "no-store"),
        ("X-Keyway-Organization", encode("org", who.organization_id)),
        ("X-Keyway-Application", encode("app", who.id))
        if who.is_token
        else ("X-Keyway-Key", encode("key", who.id)),
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
