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


class TrailUnavailable(Exception):
    """The trail could not be written, so the change it would have told of did not happen."""
