"""Count limits in this process: exact under threads, in microseconds and bounded memory."""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from math import ceil

from config.lib.limits.rules import SLICES, SLICES_A_WINDOW, Claim, Rule, Standing, Verdict

MOST_SUBJECTS = 50_000


class _Window:
    """Spent requests by slice. `oldest` is the first slice with any."""

    __slots__ = ("counts", "oldest", "total")

    def __init__(self, current: int) -> None:
        self.counts = array("L", bytes(SLICES * array("L").itemsize))
        self.oldest = current
        self.total = 0

    def advance(self, current: int) -> None:
        """Drop the slices that have left the window."""
        over = current - SLICES
        while self.oldest < current and (
            self.oldest <= over or not self.counts[self.oldest % SLICES]
        ):
            if not self.total:
                self.oldest = current
                return
            self.total -= self.counts[self.oldest % SLICES]
            self.counts[self.oldest % SLICES] = 0
            self.oldest += 1

    def spend(self, current: int) -> None:
        self.counts[current % SLICES] += 1
        self.total += 1


class Windows:
    """Thread-safe. Keeps the most recently used subjects of each rule.

    Each rule has room of its own. Otherwise a flood of unknown addresses could evict the counts of
    keys and reset their limits.
    """

    def __init__(self, most: int = MOST_SUBJECTS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._windows: dict[Rule, OrderedDict[str, _Window]] = {}

    def spend(self, claims: Sequence[Claim], now: float) -> Verdict:
        """Spend every claim, or none. `now` is in seconds on a monotonic clock."""
        is_allowed, windows = True, []
        with self._lock:
            for rule, subject in claims:
                current = int(now * SLICES_A_WINDOW / rule.seconds)
                window = self._find(rule, subject, current)
                is_allowed = is_allowed and window.total < rule.quota
                windows.append((rule, window, current))
            if is_allowed:
                for _, window, current in windows:
                    window.spend(current)
            return Verdict(
                is_allowed, tuple([_standing(rule, window, now) for rule, window, _ in windows])
            )

    def clear(self) -> None:
        with self._lock:
            self._windows.clear()

    def _find(self, rule: Rule, subject: str, current: int) -> _Window:
        known = self._windows.get(rule)
        if known is None:
            known = self._windows[rule] = OrderedDict()
        window = known.get(subject)
        if window is None:
            if len(known) >= self._most:
                known.popitem(last=False)
            window = known[subject] = _Window(current)
        else:
            known.move_to_end(subject)
            window.advance(current)
        return window


def _standing(rule: Rule, window: _Window, now: float) -> Standing:
    over_at = (window.oldest + SLICES) * rule.seconds / SLICES_A_WINDOW
    return Standing(rule, max(0, rule.quota - window.total), max(1, ceil(over_at - now)))
