"""Rules of limits, and the standing of a subject under them. Pure."""

from typing import NamedTuple

# A window is counted in slices, so its memory does not depend on the quota. A spent request returns
# when a whole window has passed since its slice ended: up to a sixtieth of the window late, and
# never early.
SLICES_A_WINDOW = 60
SLICES = SLICES_A_WINDOW + 1


class Rule(NamedTuple):
    """Allow `quota` requests in any `seconds`. RateLimit-Policy shows the name."""

    name: str
    quota: int
    seconds: int


class Claim(NamedTuple):
    """One more request of `subject` under a rule."""

    rule: Rule
    subject: str


class Standing(NamedTuple):
    """`remaining` requests are left, and no more become available within `seconds`."""

    rule: Rule
    remaining: int
    seconds: int


class Verdict(NamedTuple):
    """Either every claim was spent, or none was."""

    is_allowed: bool
    standings: tuple[Standing, ...]

    @property
    def exhausted(self) -> Standing:
        """Of a refusal, the exhausted limit that takes longest to recover."""
        return max(
            (standing for standing in self.standings if not standing.remaining),
            key=lambda standing: standing.seconds,
        )
