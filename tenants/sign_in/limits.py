"""The rate limit on refreshing one sign-in."""

import uuid

from config.lib.errors import RateLimited
from config.lib.limits import limiter


def spend_refresh(family_id: uuid.UUID) -> None:
    """Count one refresh against the sign-in's limit. Raises RateLimited."""
    verdict = limiter.spend(refresh=family_id.hex)
    if not verdict.is_allowed:
        raise RateLimited(
            "Too many refreshes of this sign-in. Try again later.",
            retry_after=verdict.exhausted.seconds,
        )
