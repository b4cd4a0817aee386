"""What a limit says, and where a subject stands under it. Pure."""

from typing import NamedTuple

# A window is counted in slices, so that a count costs the same memory whatever the quota. What was spent comes back when
# its slice is over and a whole window has passed: up to a sixtieth of the window late, and never early.
SLICES_A_WINDOW = 60
SLICES = SLICES_A_WINDOW + 1


class Rule(NamedTuple):
    """`quota` in any `seconds`. The name is the policy's in RateLimit-Policy."""

    name: str
    quota: int
    seconds: int


class Claim(NamedTuple):
    """One more for `subject` under a rule."""

    rule: Rule
    subject: str


class Standing(NamedTuple):
    """`remaining` of the rule's quota are left, and no more than that within the next `seconds`."""

    rule: Rule
    remaining: int
    seconds: int


class Verdict(NamedTuple):
    """Whether all that was claimed was spent. Otherwise nothing was."""

    is_allowed: bool
    standings: tuple[Standing, ...]

    @property
    def exhausted(self) -> Standing:
        """Of a refusal: the standing that lasts longest."""
        return max(
            (standing for standing in self.standings if not standing.remaining),
            key=lambda standing: standing.seconds,
        )
