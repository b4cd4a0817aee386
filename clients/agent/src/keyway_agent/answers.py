"""Map the server's refusals to what the agent does: give up, retry, or split the batch."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from keyway_agent.errors import REFUSED, AgentError

# This key can never recover from these. A retry would only raise another alarm on the server.
PERMANENT = frozenset(
    {
        "invalid_key",
        "revoked_key",
        "expired_key",
        "rotated_key",
        "owner_inactive",
        "wrong_key_type",
        "wrong_organization",
        "insufficient_scope",
    }
)
LONGEST_WAIT_SECONDS = 3600.0


class Refused(AgentError):
    """The server permanently refuses the key. The agent stops and keeps its position."""

    status = REFUSED

    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(f"The server permanently refuses the key: {code}: {detail}")


class TemporaryFailure(AgentError):
    """A failure that may pass. The agent retries the same request. `title` heads the log line."""

    title = "Temporary failure"

    def __str__(self) -> str:
        return f"{self.title}: {super().__str__().rstrip('.')}"


class NeedsAttention(TemporaryFailure):
    """A refusal that a person can lift: a paused key, a suspended organization, a wrong ServerUrl.

    Retried about once a minute.
    """

    title = "The server refuses the request for now"


class UnexpectedAnswer(NeedsAttention):
    """The answer did not come from Keyway."""

    title = "The answer did not come from Keyway"


class Busy(TemporaryFailure):
    """`retry_after` is the server's Retry-After in seconds, or None."""

    title = "The server is busy"

    def __init__(self, message: str, retry_after: float | None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Unreachable(TemporaryFailure):
    title = "The server cannot be reached"


class BatchRefused(AgentError):
    """The server refuses the whole batch. `verdicts` is empty if the server did not parse it."""

    def __init__(self, code: str, detail: str, verdicts: list[Any]) -> None:
        self.code, self.detail, self.verdicts = code, detail, verdicts
        super().__init__(f"{code}: {detail}")


def raise_for_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None
) -> None:
    """Return for 200 and 304; otherwise raise the matching error."""
    if status in {200, 304}:
        return
    problem = _problem(headers, body)
    code, detail = (
        printable(str(problem.get("code", ""))),
        printable(str(problem.get("detail", ""))),
    )
    if status in {401, 403} and code in PERMANENT:
        raise Refused(code, detail)
    if status in {429, 500, 502, 503, 504}:
        raise Busy(
            f"{status} {code or 'without a reason'}",
            _read_retry_after(headers.get("retry-after"), now or datetime.now(UTC)),
        )
    if (
        code in {"malformed_batch", "batch_too_large", "body_too_large", "invalid_batch"}
        or status == 413
    ):
        verdicts = problem.get("rejected")
        raise BatchRefused(
            code or "too_large", detail, verdicts if isinstance(verdicts, list) else []
        )
    if code:
        raise NeedsAttention(f"{status} {code}: {detail}")
    # A bare 401 is not a verdict on the key: it may be a proxy's. Treating it as Refused would let
    # a misconfigured proxy stop every agent for good.
    raise UnexpectedAnswer(
        f"{status} without an error code. Check ServerUrl, and any proxy in between"
    )


def printable(text: str) -> str:
    """Make untrusted text safe for one log line: printable and at most 300 characters."""
    return "".join(character if character.isprintable() else " " for character in text[:300])


def _problem(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if not headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _read_retry_after(retry_after: str | None, now: datetime) -> float | None:
    """Parse Retry-After, which is seconds or a date (RFC 9110)."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal() and len(retry_after) < 10:
        seconds = float(retry_after)
    else:
        try:
            date = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)
