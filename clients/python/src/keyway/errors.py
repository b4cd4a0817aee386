"""Error classes, one per family. `code` is Keyway's stable error code."""

from collections.abc import Mapping, Sequence
from typing import Any


class KeywayError(Exception):
    """Base class of all errors. `code` is "" and `status` is 0 if Keyway did not answer."""

    code = ""
    status = 0

    def __init__(
        self, detail: str, *, code: str = "", status: int = 0, request_id: str = ""
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.status = status or self.status
        self.request_id = request_id

    def __str__(self) -> str:
        prefix = " ".join(part for part in (str(self.status or ""), self.code) if part)
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{prefix}: {self.detail}{request}" if prefix else f"{self.detail}{request}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.__dict__)


class Misconfigured(KeywayError, ValueError):
    """A setting or an argument is missing or invalid. Nothing was sent."""


class SecretNotShown(KeywayError):
    """The answer that contained the secret was lost. Rotate the key to get a new one."""


class ConnectionFailed(KeywayError):
    """No answer arrived. Unless `never_sent`, the call may have been carried out."""

    code = "connection_failed"

    def __init__(self, detail: str, *, never_sent: bool = False) -> None:
        super().__init__(detail)
        self.never_sent = never_sent


class TimedOut(ConnectionFailed):
    """No answer arrived in time."""

    code = "timed_out"


class ApiError(KeywayError):
    """An error response. `members` holds the problem's additional members (RFC 9457)."""

    def __init__(
        self,
        detail: str,
        *,
        code: str = "",
        status: int = 0,
        request_id: str = "",
        retry_after: float | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, code=code, status=status, request_id=request_id)
        self.retry_after = retry_after
        self.members = dict(members or {})


class UnexpectedAnswer(ApiError):
    """A response that is not Keyway's (a redirect, an HTML page) or that lacks required fields."""

    code = "unexpected_answer"


class AuthenticationError(ApiError):
    """401: the credential is missing, wrong, expired, paused or revoked."""


class PermissionDenied(ApiError):
    """403: the credential is valid but does not permit this call."""


class NotFound(ApiError):
    """404: the object does not exist or belongs to another organization."""


class Conflict(ApiError):
    """409, or a reused idempotency key: the state forbids the call, such as `already_revoked`."""


class InvalidRequest(ApiError):
    """Any other 4xx: the request is invalid. Repeating it does not help."""


class ValidationFailed(InvalidRequest):
    """422 `validation_failed`. `errors` maps each field to its messages."""

    @property
    def errors(self) -> dict[str, list[str]]:
        found = self.members.get("errors")
        fields = found if isinstance(found, dict) else {}
        return {
            str(name): [str(each) for each in _listed(sentences)]
            for name, sentences in fields.items()
        }


class BatchRefused(InvalidRequest):
    """422 `invalid_batch`: no event was accepted. `rejected` gives the reason for each."""

    @property
    def rejected(self) -> list[dict[str, Any]]:
        return [
            each for each in _listed(self.members.get("rejected") or []) if isinstance(each, dict)
        ]


class RateLimited(ApiError):
    """429: too many requests. `retry_after` is in seconds."""


class ServerError(ApiError):
    """5xx: an error in Keyway."""


class Unavailable(ServerError):
    """502, 503 or 504: temporarily unavailable. The call may still have been carried out.

    `retry_after` is in seconds, or None if the answer did not give it.
    """


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _restore(cls: type[KeywayError], facts: dict[str, Any]) -> KeywayError:
    error = cls.__new__(cls, facts["detail"])
    error.args = (facts["detail"],)
    error.__dict__.update(facts)
    return error
