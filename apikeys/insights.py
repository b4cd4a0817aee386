"""Select and count keys by state, in the database."""

import uuid
from collections import Counter
from collections.abc import Collection
from datetime import datetime

from django.db import models
from django.db.models import Count, Q

from apikeys.kind import Kind
from apikeys.models import EXPIRING_WITHIN, Key, KeyQuerySet, Status
from tenants.models import Organization


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


def with_status(keys: KeyQuerySet, status: Status, at: datetime) -> KeyQuerySet:
    """The keys whose `Key.status` is `status`."""
    conditions = _conditions(at)
    matches = conditions[Selection(status.value)]
    return keys.filter(
        matches & ~Q(expires_at__lte=at + EXPIRING_WITHIN) if status is Status.ACTIVE else matches
    )


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
    owned = Q(owner=None) | Q(
        owner__user__is_active=True, owner__deactivated_at=None, owner__removed_at=None
    )
    active = living & owned & Q(paused_at=None)
    return {
        Selection.ACTIVE: active,
        Selection.EXPIRING: active & Q(expires_at__lte=at + EXPIRING_WITHIN),
        Selection.PAUSED: living & owned & Q(paused_at__isnull=False),
        Selection.INACTIVE: living & ownerless,
        Selection.EXPIRED: Q(revoked_at=None, expires_at__lte=at),
        Selection.REVOKED: Q(revoked_at__isnull=False),
        Selection.ALL: Q(),
    }
