"""Select and count keys by state, in the database."""

import uuid
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Count, Exists, OuterRef, Q

from apikeys.kind import Kind
from apikeys.models import (
    ACTIVE_OWNER,
    EXPIRING_WITHIN,
    Key,
    KeyQuerySet,
    Secret,
    Status,
)
from config.lib.ids import decode
from tenants.models import Organization

UNUSED_AFTER = timedelta(days=90)


class Selection(models.TextChoices):
    """Which keys of a list to show.

    Same states as `Key.status`, but `active` includes `expiring`.
    """

    ACTIVE = "active", "Active"
    EXPIRING = "expiring", "Expiring within 14 days"
    PAUSED = "paused", "Paused"
    INACTIVE = "inactive", "Owner inactive"
    EXPIRED = "expired", "Expired"
    REVOKED = "revoked", "Revoked"
    ALL = "all", "All"


def select(keys: KeyQuerySet, selection: Selection, at: datetime) -> KeyQuerySet:
    return keys.filter(_conditions(at)[selection])


def condition(selection: Selection, at: datetime) -> Q:
    return _conditions(at)[selection]


def with_status(keys: KeyQuerySet, status: Status, at: datetime) -> KeyQuerySet:
    """The keys whose `Key.status` is `status`."""
    conditions = _conditions(at)
    matches = conditions[Selection(status.value)]
    return keys.filter(
        matches & ~Q(expires_at__lte=at + EXPIRING_WITHIN) if status is Status.ACTIVE else matches
    )


def unused(at: datetime) -> Q:
    """Match keys that went unused for so long that they are probably forgotten."""
    since = at - UNUSED_AFTER
    return Q(last_used_at__lt=since) | Q(last_used_at=None, created_at__lt=since)


def found_by(text: str) -> Q:
    """Match keys whose name or mask contains `text`, and the key whose id it is.

    Masks of retired secrets count too. ASCEND writes the middle of a mask as three dots.
    """
    mask = text.replace("...", "…")
    found = Q(name__icontains=text) | Q(
        Exists(Secret.objects.filter(key=OuterRef("pk"), mask__icontains=mask))
    )
    try:
        return found | Q(pk=decode("key", text))
    except ValueError:
        return found


def count_by_selection(keys: KeyQuerySet, at: datetime) -> dict[Selection, int]:
    """Count the keys of every selection in one query."""
    counts = keys.aggregate(
        **{name.value: Count("pk", filter=condition) for name, condition in _conditions(at).items()}
    )
    return {selection: counts[selection.value] for selection in Selection}


def count_active_agent_keys(
    organizations: Collection[Organization], at: datetime
) -> Counter[uuid.UUID]:
    """Count usable agent keys by organization in one query."""
    keys = Key.objects.of_kind(Kind.AGENT).usable(at).filter(organization__in=organizations)
    return Counter(dict(keys.values_list("organization").annotate(count=Count("pk")).order_by()))


def _conditions(at: datetime) -> dict[Selection, Q]:
    """`Key.status` as SQL conditions.

    Both must change together; test_pages_listing compares them.
    """
    living = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=at))
    ownerless = (
        Q(owner__user__is_active=False)
        | Q(owner__deactivated_at__isnull=False)
        | Q(owner__removed_at__isnull=False)
    )
    active = living & ACTIVE_OWNER & Q(paused_at=None)
    return {
        Selection.ACTIVE: active,
        Selection.EXPIRING: active & Q(expires_at__lte=at + EXPIRING_WITHIN),
        Selection.PAUSED: living & ACTIVE_OWNER & Q(paused_at__isnull=False),
        Selection.INACTIVE: living & ownerless,
        Selection.EXPIRED: Q(revoked_at=None, expires_at__lte=at),
        Selection.REVOKED: Q(revoked_at__isnull=False),
        Selection.ALL: Q(),
    }
