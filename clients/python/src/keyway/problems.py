"""Map responses to errors: RFC 9457 problems, and responses of proxies in between."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from keyway.errors import (
    ApiError,
    AuthenticationError,
    BatchRefused,
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    KeywayError,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    ValidationFailed,
)
from keyway.wire import Answer, Failure

_BY_CODE: Mapping[str, type[ApiError]] = {
    "validation_failed": ValidationFailed,
    "invalid_batch": BatchRefused,
    "idempotency_key_reused": Conflict,
}
_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
_USUAL = frozenset({"type", "title", "status", "detail", "code", "instance"})
_MOST_SECONDS = 10**9


def error_in(outcome: Answer | Failure) -> KeywayError | None:
    """Return the error that an outcome represents, or None if it succeeded."""
    if isinstance(outcome, Failure):
        return (TimedOut if outcome.is_timeout else ConnectionFailed)(
            outcome.what, never_sent=outcome.never_sent
        )
    if 200 <= outcome.status < 300 or outcome.status == 304:
        return None
    problem = _problem(outcome)
    code, detail = printable(problem.get("code")), printable(problem.get("detail"))
    return _class(outcome.status, code)(
        detail
        or f"{outcome.status} without Keyway's error details."
        " Check the base URL, and any proxy in between.",
        code=code,
        status=outcome.status,
        request_id=request_id(outcome),
        retry_after=retry_after(outcome, datetime.now(UTC)),
        members={name: value for name, value in problem.items() if name not in _USUAL},
    )


def unexpected(answer: Answer, why: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(why, status=answer.status, request_id=request_id(answer))


def request_id(answer: Answer) -> str:
    return printable(answer.headers.get("x-request-id"))


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Parse Retry-After (RFC 9110, 10.2.3), which is seconds or a date.

    A date is relative to the answer's own Date header if there is one: the clocks may differ.
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(min(int(value[:12]), _MOST_SECONDS))
    until = _date(value)
    if until is None:
        return None
    return max((until - (_date(answer.headers.get("date", "")) or now)).total_seconds(), 0.0)


def printable(text: object) -> str:
    """Make untrusted text safe for one log line: printable and at most 500 characters."""
    return (
        "".join(character if character.isprintable() else " " for character in text[:500])
        if isinstance(text, str)
        else ""
    )


def _class(status: int, code: str) -> type[ApiError]:
    if code in _BY_CODE and 400 <= status < 500:
        return _BY_CODE[code]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return ServerError
    return InvalidRequest if status >= 400 else UnexpectedAnswer


def _problem(answer: Answer) -> dict[str, Any]:
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        problem = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
