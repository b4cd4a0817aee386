"""The endpoints that a key's requests are counted by.

Bounded, because a caller could call any number of made-up paths and slow its statistics down.
"""

from collections.abc import Collection

from apikeys.usage.models import Period, UseCount

MOST_ENDPOINTS = 200
MOST_KEYS = 20_000
OTHER = "(other)"

Endpoint = tuple[str, str]


class Endpoints:
    """The endpoints of each key, as far as one drainer knows.

    Not thread-safe. Two drainers together may exceed the bound a little.
    """

    def __init__(self) -> None:
        self._known: dict[str, set[Endpoint]] = {}

    def load(self, keys: Collection[str]) -> None:
        """Load the known endpoints of keys that were not seen before, in one query."""
        if len(self._known) > MOST_KEYS:
            self._known.clear()
        unknown = [key for key in keys if key not in self._known]
        if not unknown:
            return
        self._known |= {key: set() for key in unknown}
        counted = UseCount.objects.filter(key_id__in=unknown, period=Period.EVER).values_list(
            "key_id", "method", "route"
        )
        for key, method, route in counted.distinct():
            self._known[key.hex].add((method, route))

    def bucket(self, key: str, method: str, route: str) -> Endpoint:
        """Return the endpoint to count under. It is OTHER once the key has MOST_ENDPOINTS."""
        known = self._known[key]
        if (method, route) in known or len(known) < MOST_ENDPOINTS:
            known.add((method, route))
            return method, route
        return method, OTHER
