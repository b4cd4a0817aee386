"""How often one sign-in may be refreshed."""

import uuid

from config.lib.errors import RateLimited
from config.lib.limits import limiter


def spend_refresh(family_id: uuid.UUID) -> None:
    """Spend one of the refreshes that a sign-in may make within the limit. Raises RateLimited."""
    verdict = limiter.spend(refresh=family_id.hex)
    if not verdict.is_allowed:
        raise RateLimited(
            "This sign-in was refreshed too often. Try again later.",
            retry_after=verdict.exhausted.seconds,
        )
