"""A denial as the problem that HTTP answers with."""

from apikeys.verify.denials import Denial, Reason
from config.lib.problems import BEARER_REFUSED, BEARER_TOO_WEAK, PROBLEMS, ApiProblem, retry_after


class Refused(ApiProblem):
    """A credential was presented and denied, so the request counts as denied in its usage."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(
            denial.reason,
            denial.detail,
            headers=retry_after(denial.retry_after),
            challenge=_challenge(denial) if denial.bearer else "",
        )
        self.denial = denial


def _challenge(denial: Denial) -> str:
    """RFC 6750, 3.1: name what is wrong with the bearer token."""
    if denial.reason is Reason.INSUFFICIENT_SCOPE:
        return BEARER_TOO_WEAK
    return BEARER_REFUSED if PROBLEMS[denial.reason].status == 401 else ""
