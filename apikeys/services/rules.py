"""Read and change the key rules of an organization, and find the keys that they concern."""

import uuid
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apikeys.errors import ApprovalNeedsAnOwner, NotEnoughApprovers, RulesBroken, StaleRules
from apikeys.models import ACTIVE_OWNER, Key, KeyQuerySet, KeyRules
from apikeys.rules import NO_RULES, Broken, Issuers, Rules, broken, rotation_due
from apikeys.rules.judge import LAST_DAY
from audit import trail
from audit.trail.actions import Action
from config.lib.environment import Environment
from tenants.access import Access
from tenants.models import Membership, MembershipQuerySet, Organization
from tenants.roles import Permission, roles_with

FIELDS = (
    "issuers",
    "longest_days",
    "allows_never",
    "live_networks",
    "needs_approval",
    "rotate_live_days",
    "rotate_test_days",
)
# Admins and owners. The rule on issuers and approval ask for the same power.
APPROVING = Permission.ISSUE_ORGANIZATION_KEYS
LEAST_APPROVERS = 2


def rules_of(organization_id: uuid.UUID, *, locked: bool = False) -> Rules:
    """Return the rules in force. `locked` keeps them until the transaction ends."""
    found = KeyRules.objects.filter(organization=organization_id)
    row = (found.select_for_update() if locked else found).first()
    return row.rules if row else NO_RULES


def rules_of_all(organizations: Collection[uuid.UUID]) -> dict[uuid.UUID, Rules]:
    """Return the rules of several organizations, without those that have none."""
    found = KeyRules.objects.filter(organization__in=organizations)
    return {row.organization_id: row.rules for row in found} if organizations else {}


def stored_rules(organization: Organization) -> KeyRules:
    found = KeyRules.objects.filter(organization=organization).first()
    return found or KeyRules(organization=organization)


def require_rules(key: Key, rules: Rules) -> None:
    """Raise RulesBroken with a sentence for each rule that the key breaks."""
    if found := broken(key.facts, rules):
        raise RulesBroken(" ".join(each.sentence for each in found))


def approvers(organization: Organization) -> MembershipQuerySet:
    """The active members who may approve requests."""
    members = Membership.objects.for_organization(organization).active()
    return members.filter(role__in=roles_with(APPROVING))


@transaction.atomic
def change_rules(
    *, place: Access, changes: Mapping[str, Any], version: int | None = None
) -> KeyRules:
    """Change the rules. Existing keys that break them keep working, and pages list them.

    `version` is the version that the person saw. Raises Forbidden, StaleRules if another version
    was saved since, NotEnoughApprovers or ApprovalNeedsAnOwner.
    """
    place.require(Permission.MANAGE_KEY_RULES)
    # There is nothing to lock before the first change, so create the row first.
    KeyRules.objects.bulk_create([KeyRules(organization=place.organization)], ignore_conflicts=True)
    row = KeyRules.objects.select_for_update().get(organization=place.organization)
    if version not in (None, row.version):
        raise StaleRules()
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if not changed:
        return row
    if "needs_approval" in changed:
        _require_approvers(place, is_demanded=changed["needs_approval"])
    data = {name: {"from": getattr(row, name), "to": value} for name, value in changed.items()}
    for name, value in changed.items():
        setattr(row, name, value)
    row.version += 1
    row.save()
    trail.record(
        Action.KEY_RULES_CHANGED,
        organization=place.organization.pk,
        by=place.actor,
        target=place.organization.as_target(),
        data=data,
    )
    return row


def _require_approvers(place: Access, *, is_demanded: bool) -> None:
    if is_demanded:
        if approvers(place.organization).count() < LEAST_APPROVERS:
            raise NotEnoughApprovers()
        return
    # An admin who could switch approval off would not need a second person. Without an owner, an
    # organization must still have a way out.
    owners = Membership.objects.for_organization(place.organization).active()
    has_owner = owners.filter(role__in=roles_with(Permission.MANAGE_OWNERS)).exists()
    if has_owner and not place.may(Permission.MANAGE_OWNERS):
        raise ApprovalNeedsAnOwner()


def breaking(
    organization: Organization, rules: Rules, at: datetime, *, most: int
) -> dict[uuid.UUID, tuple[Broken, ...]]:
    """Return the usable keys that break the rules, newest first, `most` at most.

    The database narrows the search and `broken` decides, so that a list never differs from what
    issuing refuses.
    """
    suspects = _suspects(rules)
    if not suspects:
        return {}
    found: dict[uuid.UUID, tuple[Broken, ...]] = {}
    usable = Key.objects.for_organization(organization).usable(at).filter(suspects)
    for key in usable.select_related("owner").order_by("-pk").iterator(chunk_size=500):
        if flaws := broken(key.facts, rules):
            found[key.pk] = flaws
            if len(found) >= most:
                break
    return found


def _suspects(rules: Rules) -> Q:
    suspects = Q()
    if rules.requires_expiry:
        suspects |= Q(expires_at=None)
    if rules.longest_days:
        longest = timedelta(days=rules.longest_days) + LAST_DAY
        suspects |= Q(expires_at__gt=F("created_at") + longest)
    if rules.live_networks:
        suspects |= Q(environment=Environment.LIVE)
    if rules.issuers is Issuers.ADMINS:
        suspects |= Q(owner__isnull=False) & ~Q(owner__role__in=roles_with(APPROVING))
    return suspects


def due_for_rotation(
    organization: Organization, rules: Rules, *, until: datetime, after: datetime | None = None
) -> KeyQuerySet:
    """Keys whose rotation became due until `until`, and after `after` if given.

    The same condition as `apikeys.rules.rotation_due`, for queries.
    """
    due = Q(pk__in=[])
    for environment in Environment.values:
        if days := rules.rotate_days(environment):
            since = timedelta(days=days)
            has_taken_effect = Q(secrets__lapses_at=None) | Q(secrets__activated_at__isnull=False)
            of_secret = has_taken_effect & Q(
                secrets__retired_at=None, secrets__created_at__lte=until - since
            )
            if after:
                of_secret &= Q(secrets__created_at__gt=after - since)
            due |= Q(environment=environment) & of_secret
    keys = Key.objects.for_organization(organization).usable(until)
    return keys.filter(ACTIVE_OWNER, due)


def rotations_due(after: datetime, until: datetime) -> Iterator[tuple[Key, datetime]]:
    """Yield the keys whose rotation became due in a period, each with the moment."""
    ruled = KeyRules.objects.exclude(rotate_live_days=None, rotate_test_days=None)
    for row in ruled.filter(organization__suspended_at=None).select_related("organization"):
        keys = due_for_rotation(row.organization, row.rules, until=until, after=after)
        found = keys.select_related("organization", "owner__user").prefetch_related("secrets")
        for key in found.iterator(chunk_size=500):
            if due_at := rotation_due(key, row.rules, until):
                yield key, due_at
