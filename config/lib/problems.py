"""RFC 9457 problems: the table of every `code`, and the exception that responds with one.

Depends on neither Django REST framework nor denials. Those have apikeys.api.problems and
apikeys.verify.problems.
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
# RFC 6750, 3.1: a token was presented and is invalid.
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
    "missing_key": Problem(
        401,
        "Missing key",
        "Present a key in the X-API-Key header, or a token as Authorization: Bearer.",
    ),
    "key_in_bearer": Problem(
        401,
        "Key in the wrong header",
        "Authorization: Bearer is for tokens here. Send an API key in the X-API-Key header.",
    ),
    "several_credentials": Problem(
        400,
        "Multiple credentials",
        "The request has more than one credential. Send exactly one, once.",
    ),
    "invalid_key": Problem(401, "Invalid key", "The key is malformed, unknown or wrong."),
    "rotated_key": Problem(
        401, "Rotated key", "A rotation replaced this secret. Use the key's new one."
    ),
    "expired_key": Problem(401, "Expired key", "The key has expired. Issue a new one."),
    "revoked_key": Problem(
        401, "Revoked key", "The key was revoked and cannot be restored. Issue a new one."
    ),
    "paused_key": Problem(
        401, "Paused key", "The key is paused. Its owner or an admin can resume it."
    ),
    "owner_inactive": Problem(
        401,
        "Owner inactive",
        "The key's owner is no longer an active member of the organization. "
        "An admin can reactivate the owner.",
    ),
    "organization_suspended": Problem(
        401,
        "Organization suspended",
        "The key's organization is suspended. Platform staff can resume it.",
    ),
    "missing_token": Problem(
        401,
        "Missing token",
        "Sign in at /api/v1/auth/login and send the token as Authorization: Bearer.",
        BEARER,
    ),
    "invalid_token": Problem(
        401,
        "Invalid token",
        "The token is malformed, unknown, wrong or revoked. Sign in again or request a new one.",
        BEARER_REFUSED,
    ),
    "expired_token": Problem(
        401,
        "Expired token",
        "The token has expired. Refresh it or request a new one.",
        BEARER_REFUSED,
    ),
    "refresh_reused": Problem(
        401,
        "Refresh token reused",
        "This refresh token was already used and may have been stolen. "
        "The sign-in was revoked. Sign in again.",
        BEARER_REFUSED,
    ),
    "invalid_login": Problem(
        401, "Sign-in failed", "The email address, the password or the code is wrong.", BEARER
    ),
    "mfa_required": Problem(
        401,
        "Code required",
        "Two-step verification is on. Also send `code`, an authenticator or recovery code.",
        BEARER,
    ),
    "wrong_key_type": Problem(
        403, "Wrong kind of key", "The call requires the other kind of key, agent or public."
    ),
    "wrong_organization": Problem(
        403, "Wrong organization", "The key does not belong to the requested organization."
    ),
    "organization_required": Problem(
        400,
        "Organization required",
        "The user belongs to several organizations. Name one in the X-Organization-Id header.",
    ),
    "wrong_environment": Problem(
        403,
        "Wrong environment",
        "The call requires a key for the other environment, live or test.",
    ),
    "insufficient_scope": Problem(
        403, "Insufficient scope", "The key does not have the scope that this call requires."
    ),
    "ip_not_allowed": Problem(
        403, "Network not allowed", "The key cannot be used from the caller's network."
    ),
    "csrf_failed": Problem(
        403,
        "CSRF check failed",
        "A call with a browser session must send its CSRF token in X-CSRFToken.",
    ),
    "recent_sign_in_required": Problem(
        403,
        "Recent sign-in required",
        "Your last sign-in is too long ago for this change. Confirm your password and try again.",
    ),
    "not_key_owner": Problem(
        403,
        "Not the key's owner",
        "This key belongs to someone else. Only its owner or an admin can do this.",
    ),
    "scope_not_grantable": Problem(
        403,
        "Scope not grantable",
        "A scope is unknown, not active yet, not for this kind of key, or not yours to grant.",
    ),
    "stronger_than_issuer": Problem(
        403,
        "Stronger than its issuer",
        "The key would exceed your own access in its environment, expiry or networks.",
    ),
    "key_rules_broken": Problem(
        403, "Key rules broken", "The key breaks a key rule of its organization."
    ),
    "approval_required": Problem(
        403,
        "Approval required",
        "A second person must approve live keys in this organization. Request the key instead.",
    ),
    "approval_needs_an_owner": Problem(
        403, "Approval needs an owner", "Only an owner can stop requiring approval."
    ),
    "not_enough_approvers": Problem(
        409,
        "Not enough approvers",
        "Approval needs two active admins or owners, and another one than the requester.",
    ),
    "request_not_open": Problem(
        409,
        "Request not open",
        "The request does not wait for this. It was answered, collected or has lapsed.",
    ),
    "already_revoked": Problem(409, "Already revoked", "This key is already revoked."),
    "key_not_usable": Problem(409, "Key not usable", "The key's state does not allow this."),
    "validation_failed": Problem(
        422, "Validation failed", "Some values are invalid. See `errors` for each field."
    ),
    "idempotency_key_reused": Problem(
        422,
        "Idempotency key reused",
        "This Idempotency-Key was already used with a different body. Nothing was issued.",
    ),
    "rate_limited": Problem(
        429, "Rate limited", "Too many requests. Try again after `Retry-After` seconds."
    ),
    "internal_error": Problem(
        500,
        "Internal error",
        "Keyway could not process the request. Its log has the cause under the request id.",
    ),
    "unavailable": Problem(
        503,
        "Unavailable",
        "Keyway is temporarily unavailable. This says nothing about the key. Try again shortly.",
    ),
    "bad_request": Problem(400, "Bad request", "The request is malformed."),
    "forbidden": Problem(403, "Forbidden", "You do not have permission to do this."),
    "not_found": Problem(
        404, "Not found", "This resource does not exist, or you do not have access to it."
    ),
    "method_not_allowed": Problem(
        405, "Method not allowed", "This address does not support this method."
    ),
    "not_acceptable": Problem(406, "Not acceptable", "None of the formats in Accept is available."),
    "unsupported_media_type": Problem(
        415,
        "Unsupported media type",
        "The media type, charset or encoding of the body is not supported.",
    ),
    "malformed_batch": Problem(400, "Malformed batch", "The body is not a batch of events."),
    "malformed_body": Problem(
        400, "Malformed body", "The body is not the JSON object that this call expects."
    ),
    "batch_too_large": Problem(
        413, "Batch too large", "A batch can have at most 10,000 events and 10 MiB uncompressed."
    ),
    "body_too_large": Problem(
        413, "Body too large", "The body exceeds the size limit of this call."
    ),
    "invalid_batch": Problem(
        422, "Nothing accepted", "No event of the batch was accepted. See `rejected`."
    ),
    "invalid_parameter": Problem(
        400, "Invalid parameter", "A query parameter is unknown, repeated or invalid."
    ),
    "invalid_cursor": Problem(
        400,
        "Invalid cursor",
        "The cursor was changed, or belongs to another key, environment or filter.",
    ),
    "query_too_broad": Problem(
        422, "Query too broad", "The search took too long. Narrow the time range or the filter."
    ),
}


class ApiProblem(Exception):
    """Raise to respond with the problem of `code`.

    Adds `members` to the body and `headers` to the response. `challenge` replaces the table's.
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
    """Respond outside Django REST framework."""
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
    """Return the problem for an exception, or None for a bug in Keyway."""
    problem = None
    match exception:
        case ApiProblem():
            problem = exception
        case Http404():
            problem = ApiProblem("not_found")
        case SuspiciousOperation():  # for example too many query fields
            problem = ApiProblem("bad_request")
        case PermissionDenied():
            problem = ApiProblem("forbidden")
        case KeywayError() if exception.code in PROBLEMS:
            problem = ApiProblem(
                exception.code, exception.detail, headers=retry_after(exception.retry_after)
            )
        case Unavailable() | OperationalError() | InterfaceError():
            logger.error("Responded with 503: %s", exception)
            problem = ApiProblem("unavailable")
    return problem
