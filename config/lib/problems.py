"""RFC 9457 problems: one table of every `code`, and the exception that answers with one of them.

Knows neither Django REST framework nor denials: apikeys.api.problems and apikeys.verify.problems do.
"""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, JsonResponse

from config.lib.errors import KeywayError, Unavailable

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
CHALLENGE = 'ApiKey realm="Keyway"'
BEARER = 'Bearer realm="Keyway"'
# RFC 6750, 3.1: a token was presented and is not good.
BEARER_REFUSED = f'{BEARER}, error="invalid_token"'
BEARER_TOO_WEAK = f'{BEARER}, error="insufficient_scope"'
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    title: str
    detail: str
    challenge: str = CHALLENGE


PROBLEMS: dict[str, Problem] = {
    "missing_key": Problem(401, "No key", "Present a key in the X-API-Key header."),
    "key_in_bearer": Problem(
        401,
        "Key in the wrong header",
        "Authorization: Bearer is for user tokens. Present an API key in the X-API-Key header.",
    ),
    "several_credentials": Problem(
        400, "Several credentials", "Present exactly one credential, once."
    ),
    "invalid_key": Problem(401, "Invalid key", "The key is malformed, unknown or wrong."),
    "rotated_key": Problem(
        401, "Rotated key", "A rotation replaced this secret. Present the key's new one."
    ),
    "expired_key": Problem(401, "Expired key", "The key has expired. Issue a new one."),
    "revoked_key": Problem(401, "Revoked key", "The key was revoked for good. Issue a new one."),
    "paused_key": Problem(
        401, "Paused key", "The key is paused. An admin or its owner can resume it."
    ),
    "owner_inactive": Problem(
        401, "Owner inactive", "The key's owner is no longer an active member of the organization."
    ),
    "organization_suspended": Problem(
        401, "Organization suspended", "The key's organization is suspended."
    ),
    "missing_token": Problem(
        401,
        "No token",
        "Sign in at /api/v1/auth/login and present the token as Authorization: Bearer.",
        BEARER,
    ),
    "invalid_token": Problem(
        401,
        "Invalid token",
        "The token is malformed, unknown, wrong or revoked. Sign in again, or ask for a new one.",
        BEARER_REFUSED,
    ),
    "expired_token": Problem(
        401,
        "Expired token",
        "The token has expired. Refresh it, or ask for a new one.",
        BEARER_REFUSED,
    ),
    "refresh_reused": Problem(
        401,
        "Refresh token reused",
        "The refresh token was used before, so somebody may have stolen it. Its sign-in has ended; sign in again.",
        BEARER_REFUSED,
    ),
    "invalid_login": Problem(
        401, "Sign-in refused", "The e-mail address, the password or the code is wrong.", BEARER
    ),
    "mfa_required": Problem(
        401,
        "Code required",
        "Send `code` too: one from the authenticator app, or a recovery code.",
        BEARER,
    ),
    "wrong_key_type": Problem(403, "Wrong kind of key", "This call takes the other kind of key."),
    "wrong_organization": Problem(
        403, "Wrong organization", "The organization that was named is not the key's."
    ),
    "wrong_environment": Problem(
        403, "Wrong environment", "The key is of the other environment than this call takes."
    ),
    "insufficient_scope": Problem(
        403, "Insufficient scope", "The key does not have the scope that this call needs."
    ),
    "ip_not_allowed": Problem(
        403, "Address not allowed", "The key may not be used from the caller's network."
    ),
    "csrf_failed": Problem(
        403,
        "CSRF check failed",
        "A call with the browser's session needs its CSRF token in X-CSRFToken.",
    ),
    "recent_sign_in_required": Problem(
        403,
        "Recent sign-in required",
        "This needs a sign-in of the last minutes. Confirm your password, then send it again.",
    ),
    "not_key_owner": Problem(
        403,
        "Not the key's owner",
        "This key is somebody else's. Its owner can do this, or an admin of the organization.",
    ),
    "scope_not_grantable": Problem(
        403,
        "Scope not grantable",
        "A scope is not known, not active yet, not for this kind of key, or more than you hold.",
    ),
    "stronger_than_issuer": Problem(
        403,
        "Stronger than its issuer",
        "The key would reach further than you do: in environment, expiry or networks.",
    ),
    "already_revoked": Problem(409, "Already revoked", "This key is revoked already."),
    "key_not_usable": Problem(409, "Key not usable", "The key's state does not allow this."),
    "validation_failed": Problem(
        422, "Validation failed", "The request is understood, and not valid; see `errors`."
    ),
    "idempotency_key_reused": Problem(
        422,
        "Idempotency key reused",
        "This Idempotency-Key was sent before with another body. Nothing was issued.",
    ),
    "rate_limited": Problem(
        429, "Rate limited", "Too many requests. Try again after `Retry-After` seconds."
    ),
    "internal_error": Problem(
        500, "Internal error", "Keyway failed. The cause is in its log, under the request's id."
    ),
    "unavailable": Problem(
        503,
        "Unavailable",
        "Keyway cannot answer just now. This says nothing about the key; try again shortly.",
    ),
    "bad_request": Problem(400, "Bad request", "The request cannot be understood."),
    "forbidden": Problem(403, "Forbidden", "This is not allowed."),
    "not_found": Problem(404, "Not found", "There is nothing here."),
    "method_not_allowed": Problem(
        405, "Method not allowed", "This address does not take this method."
    ),
    "not_acceptable": Problem(406, "Not acceptable", "None of the formats in Accept can be given."),
    "unsupported_media_type": Problem(
        415, "Unsupported media type", "The body's type, charset or encoding is not taken here."
    ),
    "malformed_batch": Problem(400, "Malformed batch", "The body is not a batch of events."),
    "malformed_body": Problem(
        400, "Malformed body", "The body is not the JSON object that this call takes."
    ),
    "batch_too_large": Problem(
        413, "Batch too large", "A batch has at most 10,000 events and 10 MiB inflated."
    ),
    "body_too_large": Problem(413, "Body too large", "The body is larger than this call takes."),
    "invalid_batch": Problem(
        422, "Nothing accepted", "No event of the batch could be accepted; see `rejected`."
    ),
    "invalid_parameter": Problem(
        400, "Invalid parameter", "A query parameter cannot be understood."
    ),
    "invalid_cursor": Problem(
        400,
        "Invalid cursor",
        "The cursor belongs to another key, environment or filter, or was changed.",
    ),
    "query_too_broad": Problem(
        422, "Query too broad", "The search took too long. Narrow the time range or the filter."
    ),
}


class ApiProblem(Exception):
    """Raise to answer with the problem of `code`.

    `members` are added to the body, `headers` to the answer. `challenge` replaces the table's own.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        headers: dict[str, str] | None = None,
        challenge: str = "",
        **members: Any,
    ) -> None:
        problem = PROBLEMS[code]
        self.code = code
        self.status_code = problem.status
        self.detail = detail or problem.detail
        self.headers = headers or {}
        self.challenge = challenge
        self.members = members
        super().__init__(self.detail)


def respond(problem: ApiProblem) -> JsonResponse:
    """Answer where Django REST framework does not."""
    status, fields = problem.status_code, headers(problem)
    return JsonResponse(body(problem), status=status, content_type=CONTENT_TYPE, headers=fields)


def body(problem: ApiProblem) -> dict[str, Any]:
    return {
        "type": f"/docs/errors/#{problem.code}",
        "title": PROBLEMS[problem.code].title,
        "status": problem.status_code,
        "detail": problem.detail,
        "code": problem.code,
        **problem.members,
    }


def headers(problem: ApiProblem) -> dict[str, str]:
    fields = {"Cache-Control": "no-store", **problem.headers}
    if problem.challenge:
        fields["WWW-Authenticate"] = problem.challenge
    elif problem.status_code == HTTPStatus.UNAUTHORIZED:
        fields["WWW-Authenticate"] = PROBLEMS[problem.code].challenge
    if problem.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        fields.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return fields


def retry_after(seconds: int | None) -> dict[str, str]:
    return {"Retry-After": str(seconds)} if seconds else {}


def translate(exception: Exception) -> ApiProblem | None:
    """Find the problem that an exception means. None for a bug of ours."""
    problem = None
    match exception:
        case ApiProblem():
            problem = exception
        case Http404():
            problem = ApiProblem("not_found")
        case SuspiciousOperation():  # for example more query fields than Django reads
            problem = ApiProblem("bad_request")
        case PermissionDenied():
            problem = ApiProblem("forbidden")
        case KeywayError() if exception.code in PROBLEMS:
            again = retry_after(exception.retry_after)
            problem = ApiProblem(exception.code, exception.detail, headers=again)
        case Unavailable() | OperationalError() | InterfaceError():
            logger.error("Answered 503: %s", exception)
            problem = ApiProblem("unavailable")
    return problem
