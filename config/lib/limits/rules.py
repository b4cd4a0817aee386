"""A limit, a claim under it, and what is left of it. Pure."""

from typing import NamedTuple

# A window is counted in slices, so that its memory does not grow with the quota. A spent unit comes
# back when its slice and then a whole window have passed: up to a sixtieth of the window late,
# never early.
SLICES_A_WINDOW = 60
SLICES = SLICES_A_WINDOW + 1


class Rule(NamedTuple):
    """At most `quota` in any `seconds`. `name` appears in the RateLimit-Policy header."""

    name: str
    quota: int
    seconds: int


class Claim(NamedTuple):
    """A request to spend one unit for `subject` under a rule."""

    rule: Rule
    subject: str


class Standing(NamedTuple):
    """`remaining` units are left under the rule. No further unit comes back for `seconds`."""

    rule: Rule
    remaining: int
    seconds: int


class Verdict(NamedTuple):
    """The outcome of claims: all were spent, or none."""

    is_allowed: bool
    standings: tuple[Standing, ...]

    @property
    def exhausted(self) -> Standing:
        """The exhausted limit that takes longest to recover. Only after a refusal."""
        return max(
            (standing for standing in self.standings if not standing.remaining),
            key=lambda standing: standing.seconds,
        )
