"""What can go wrong, one class a family. `code` is Keyway's own name for it and never changes its meaning."""

from collections.abc import Mapping, Sequence
from typing import Any


class KeywayError(Exception):
    """The base of all. `code` is "" and `status` 0 where Keyway did not answer."""

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
        told = " ".join(part for part in (str(self.status or ""), self.code) if part)
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{told}: {self.detail}{request}" if told else f"{self.detail}{request}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.__dict__)


class Misconfigured(KeywayError, ValueError):
    """The client was not told what it needs, or something it cannot use."""


class SecretNotShown(KeywayError):
    """The secret was in an answer that got lost; Keyway shows it once. Rotate the key to get another."""


class ConnectionFailed(KeywayError):
    """No answer came. Unless `never_sent`, what was asked may have been done."""

    code = "connection_failed"

    def __init__(self, detail: str, *, never_sent: bool = False) -> None:
        super().__init__(detail)
        self.never_sent = never_sent


class TimedOut(ConnectionFailed):
    """No answer came in time."""

    code = "timed_out"


class ApiError(KeywayError):
    """An answer that says no. `members` are what the problem tells beside the usual."""

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
    """An answer that is not Keyway's, such as a redirect or a page of HTML, or that lacks what it must have."""

    code = "unexpected_answer"


class AuthenticationError(ApiError):
    """401: no credential, or one that is wrong, expired, paused or revoked."""


class PermissionDenied(ApiError):
    """403: the credential is good, and not for this."""


class NotFound(ApiError):
    """404: there is nothing here, or it is another organization's."""


class Conflict(ApiError):
    """409 and reused idempotency keys: it is not as the call supposes, such as revoked already."""


class InvalidRequest(ApiError):
    """Any other 4xx: Keyway cannot do what the call says, however often it is said."""


class ValidationFailed(InvalidRequest):
    """422 `validation_failed`. `errors` has sentences by field."""

    @property
    def errors(self) -> dict[str, list[str]]:
        told = self.members.get("errors")
        fields = told if isinstance(told, dict) else {}
        return {
            str(name): [str(each) for each in _listed(sentences)]
            for name, sentences in fields.items()
        }


class BatchRefused(InvalidRequest):
    """422 `invalid_batch`: no event was accepted. `rejected` says why, event by event."""

    @property
    def rejected(self) -> list[dict[str, Any]]:
        return [
            each for each in _listed(self.members.get("rejected") or []) if isinstance(each, dict)
        ]


class RateLimited(ApiError):
    """429. `retry_after` is in seconds."""


class ServerError(ApiError):
    """5xx: Keyway failed."""


class Unavailable(ServerError):
    """502, 503, 504: no answer just now, though a change may have been made. `retry_after` is in seconds, where it is known."""


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _restore(cls: type[KeywayError], facts: dict[str, Any]) -> KeywayError:
    error = cls.__new__(cls, facts["detail"])
    error.args = (facts["detail"],)
    error.__dict__.update(facts)
    return error
