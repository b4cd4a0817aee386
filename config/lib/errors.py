"""The base classes of Keyway's errors. Each app derives its own."""


class KeywayError(Exception):
    """A rule refused the change or the request. `code` is stable; `detail` is for people.

    `retry_after` is in seconds, or None if retrying does not help.
    """

    code = "refused"
    detail = "This is not possible."
    retry_after: int | None = None

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.detail
        super().__init__(self.detail)


class Unavailable(Exception):
    """Keyway cannot do this right now. The API responds with 503, never with 401."""


class TrailUnavailable(Unavailable):
    """The trail could not be written, so the change was rolled back."""


class RateLimited(KeywayError):
    code = "rate_limited"
    detail = "Too many attempts. Wait a minute and try again."

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(detail)
