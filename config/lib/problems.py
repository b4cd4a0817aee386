"""RFC 9457 problems: one table of every `code`, and the one handler that makes every refusal of the API."""

import logging
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response

from apikeys.api.renderers import ProblemRenderer
from apikeys.verify import usage_note
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.hashing import PoolFull
from config.lib.errors import KeywayError, TrailUnavailable

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


class ApiProblem(exceptions.APIException):
    """Raise to answer with the problem of `code`. `members` are added to the body, `headers` to the answer."""

    def __init__(
        self, code: str, detail: str = "", *, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        problem = PROBLEMS[code]
        self.status_code = problem.status
        self.code = code
        self.members = members
        self.headers = headers or {}
        self.denial: Denial | None = None
        super().__init__(detail or problem.detail, code)


def from_denial(denial: Denial) -> ApiProblem:
    problem = ApiProblem(denial.reason, denial.detail, headers=_retry_after(denial.retry_after))
    problem.denial = denial
    return problem


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {"Retry-After": str(seconds)} if seconds else {}


_BY_STATUS = {
    401: "missing_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
}


def handle(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None means a bug of ours: it propagates, is logged, and becomes a 500."""
    problem = translate(exception)
    if problem is None:
        return None
    response = Response(
        body(problem),
        status=problem.status_code,
        content_type=CONTENT_TYPE,
        headers=headers(problem),
    )
    # The negotiated renderer may be CSV; a problem is always JSON.
    request = context.get("request")
    if request is not None:
        if problem.denial:
            usage_note.deny(request.META, problem.denial)
        request.accepted_renderer = ProblemRenderer()
        request.accepted_media_type = CONTENT_TYPE
    return response


def respond(problem: ApiProblem) -> JsonResponse:
    """Answer where Django REST framework does not."""
    status, fields = problem.status_code, headers(problem)
    return JsonResponse(body(problem), status=status, content_type=CONTENT_TYPE, headers=fields)


def body(problem: ApiProblem) -> dict[str, Any]:
    return {
        "type": f"/docs/errors/#{problem.code}",
        "title": PROBLEMS[problem.code].title,
        "status": problem.status_code,
        "detail": str(problem.detail),
        "code": problem.code,
        **problem.members,
    }


def headers(problem: ApiProblem) -> dict[str, str]:
    fields = {"Cache-Control": "no-store", **problem.headers}
    is_bearer = problem.denial is not None and problem.denial.bearer
    if problem.status_code == status.HTTP_401_UNAUTHORIZED:
        fields["WWW-Authenticate"] = (
            BEARER_REFUSED if is_bearer else PROBLEMS[problem.code].challenge
        )
    if problem.code == Reason.INSUFFICIENT_SCOPE and is_bearer:
        fields["WWW-Authenticate"] = BEARER_TOO_WEAK
    if problem.status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
        fields.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return fields


def translate(exception: Exception) -> ApiProblem | None:
    """Find the problem that an exception means; None for a bug of ours."""
    problem = None
    match exception:
        case ApiProblem():
            problem = exception
        case Http404():
            problem = ApiProblem("not_found")
        case SuspiciousOperation():  # e.g. more query fields than Django reads
            problem = ApiProblem("bad_request")
        case PermissionDenied():
            problem = ApiProblem("forbidden")
        case KeywayError() if exception.code in PROBLEMS:
            problem = ApiProblem(
                exception.code, exception.detail, headers=_retry_after(exception.retry_after)
            )
        case TrailUnavailable() | OperationalError() | InterfaceError() | PoolFull():
            logger.error("Answered 503: %s", exception)
            problem = ApiProblem("unavailable")
        case exceptions.APIException():
            problem = ApiProblem(_BY_STATUS.get(exception.status_code, "bad_request"))
    return problem
