class KeywayError(Exception):
    """A change or a request that the rules refuse. `code` is stable; `detail` is for people.

    `retry_after` is in seconds, where trying again later helps.
    """

    code = "refused"
    detail = "That is not possible."
    retry_after: int | None = None

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.detail
        super().__init__(self.detail)


class Unavailable(Exception):
    """Keyway cannot do this now, and the caller is not to blame: answered 503, never 401."""


class TrailUnavailable(Unavailable):
    """The trail could not be written, so the change it would have recorded did not happen."""


class RateLimited(KeywayError):
    code = "rate_limited"
    detail = "Too many attempts. Wait a minute and try again."

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(detail)
