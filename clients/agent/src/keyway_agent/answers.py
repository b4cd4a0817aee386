"""What the server's refusals mean for an agent: give up, ask again slowly, wait as told, or cut the batch."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from keyway_agent.errors import REFUSED, AgentError

# Nobody can undo these for this key: another attempt is one more line in somebody's alarm.
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
    """For good. The agent stops, and keeps its place."""

    status = REFUSED

    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(f"The server refuses the key for good: {code}: {detail}")


class TemporaryFailure(AgentError):
    """Something that may pass: the same request is made again later. `title` says what it is in a log."""

    title = "The server is in the way"

    def __str__(self) -> str:
        return f"{self.title}: {super().__str__().rstrip('.')}"


class NeedsAttention(TemporaryFailure):
    """Refused, but somebody can undo it: a paused key, a suspended organization, a wrong ServerUrl."""

    title = "The server refuses for now"


class UnexpectedAnswer(NeedsAttention):
    """Not an answer of Keyway's."""

    title = "The answer is not Keyway's"


class Busy(TemporaryFailure):
    """`after` is the number of seconds that the server asks for, None when it does not say."""

    title = "The server is busy"

    def __init__(self, message: str, retry_after: float | None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Unreachable(TemporaryFailure):
    title = "The server cannot be reached"


class BatchRefused(AgentError):
    """This batch as a whole. `verdicts` are those on its events, [] when it was not even read."""

    def __init__(self, code: str, detail: str, verdicts: list[Any]) -> None:
        self.code, self.detail, self.verdicts = code, detail, verdicts
        super().__init__(f"{code}: {detail}")


def raise_for_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None
) -> None:
    """Return for 200 and 304. Raises what the answer means."""
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
    raise UnexpectedAnswer(
        f"{status}, which Keyway would explain. Is ServerUrl right, and is nothing in between?"
    )


def printable(text: str) -> str:
    """Fit for one line of a log, whoever wrote it."""
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
    """Read Retry-After: seconds or a date (RFC 9110)."""
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
