"""Find the events that the clock causes: ends of keys, due rotations and silent agents.

Every query leaves out what has a notice already, so that a run costs by what is new and not by how
many keys there are. A run that is interrupted or runs twice finds the rest, or nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Subquery,
    Value,
)
from django.db.models.expressions import Combinable
from django.utils import timezone

from apikeys.models import ACTIVE_OWNER, Key, KeyQuerySet
from apikeys.notices.causes import STEPS, Cause
from apikeys.notices.models import Notice
from apikeys.notices.record import about_key, about_organization, put
from tenants.models import SILENT_AFTER, Agent, AgentConfiguration, AgentQuerySet

# An event that is older when it is found has no notice: after a long outage of the worker, and for
# keys and agents from before notices existed.
CATCH_UP = timedelta(days=7)
SLICE = 500

# Returns the keys whose rotation became due after the first time and until the second, each with
# the time. Reads them in batches, with organization, owner and secrets.
RotationRule = Callable[[datetime, datetime], Iterable[tuple[Key, datetime]]]

_rotation_rules: list[RotationRule] = []


def on_rotation_due(rule: RotationRule) -> None:
    """Let `rule` decide which keys are due for rotation. Called when its app starts."""
    _rotation_rules.append(rule)


def notice_keys() -> None:
    """Record keys that are about to expire, have expired, or are due for rotation."""
    now = timezone.now()
    for upper, lower in zip(STEPS, (*STEPS[1:], timedelta()), strict=True):
        _record_keys(Cause.KEY_EXPIRING, _expiring(now, upper, lower), days=upper.days)
    expired = _living().filter(expires_at__lte=now, expires_at__gt=now - CATCH_UP)
    _record_keys(Cause.KEY_EXPIRED, _without_notice(expired, Cause.KEY_EXPIRED, F("expires_at")))
    for rule in _rotation_rules:
        _record_rotations(rule(now - CATCH_UP, now))


def notice_agents() -> None:
    """Record agents that have missed SILENT_AFTER heartbeats."""
    now = timezone.now()
    found = _silent(now)
    while agents := list(found[:SLICE]):
        put(_silence(agent) for agent in agents)


def _living() -> KeyQuerySet:
    """The keys that would work but for their end: not those of people who have left."""
    return (
        Key.objects.filter(ACTIVE_OWNER)
        .filter(revoked_at=None, organization__suspended_at=None)
        .select_related("organization", "owner__user")
        .prefetch_related("secrets")
    )


def _expiring(now: datetime, upper: timedelta, lower: timedelta) -> KeyQuerySet:
    """The keys inside one step. A later step makes up for a missed one instead of adding to it.

    Leaves out keys that were issued inside the step, because their issuer chose so short a life.
    """
    found = _living().filter(
        expires_at__gt=now + lower,
        expires_at__lte=now + upper,
        created_at__lt=F("expires_at") - upper,
    )
    return _without_notice(found, Cause.KEY_EXPIRING, F("expires_at") - upper)


def _without_notice(keys: KeyQuerySet, cause: Cause, moment: Combinable) -> KeyQuerySet:
    """Annotate the keys with their moment, and leave out those that have a notice of it."""
    wrapped = ExpressionWrapper(moment, output_field=DateTimeField())
    known = Notice.objects.filter(cause=cause, subject_id=OuterRef("pk"), moment=OuterRef("moment"))
    return keys.annotate(moment=wrapped).exclude(Exists(known))


def _record_keys(cause: Cause, keys: KeyQuerySet, **more: object) -> None:
    while batch := list(keys[:SLICE]):
        put(_of_key(cause, key, key.moment, **more) for key in batch)  # type: ignore[attr-defined]


def _record_rotations(due: Iterable[tuple[Key, datetime]]) -> None:
    for batch in _batches(due):
        known = set(
            Notice.objects.filter(
                cause=Cause.KEY_ROTATION_DUE, subject_id__in=[key.pk for key, _ in batch]
            ).values_list("subject_id", "moment")
        )
        put(
            _of_key(Cause.KEY_ROTATION_DUE, key, at, due_at=_spelled(at))
            for key, at in batch
            if (key.pk, at) not in known
        )


def _batches(
    due: Iterable[tuple[Key, datetime]],
) -> Iterator[list[tuple[Key, datetime]]]:
    pairs = iter(due)
    while batch := list(islice(pairs, SLICE)):
        yield batch


def _of_key(cause: Cause, key: Key, moment: datetime, **more: object) -> Notice:
    ends = {"expires_at": _spelled(key.expires_at)} if key.expires_at else {}
    return Notice(
        cause=cause,
        organization_id=key.organization_id,
        person_id=key.owner.user_id if key.owner else None,
        subject_id=key.pk,
        moment=moment,
        data=about_key(key) | ends | more,
    )


def _silent(now: datetime) -> AgentQuerySet:
    newest = AgentConfiguration.objects.filter(organization=OuterRef("organization"))
    seconds = newest.order_by("-version").values("heartbeat_interval_seconds")[:1]
    patience = ExpressionWrapper(
        F("seconds") * Value(SILENT_AFTER * timedelta(seconds=1)), output_field=DurationField()
    )
    silent_at = ExpressionWrapper(F("last_seen_at") + patience, output_field=DateTimeField())
    # A silence is named by its beginning: an agent that comes back and stops again is another one.
    known = Notice.objects.filter(
        cause=Cause.AGENT_SILENT, subject_id=OuterRef("pk"), moment=OuterRef("last_seen_at")
    )
    return (
        Agent.objects.filter(last_seen_at__gt=now - CATCH_UP, organization__suspended_at=None)
        .annotate(seconds=Subquery(seconds, output_field=IntegerField()))
        .annotate(silent_at=silent_at)
        .filter(silent_at__lt=now)
        .exclude(Exists(known))
        .select_related("organization")
    )


def _silence(agent: Agent) -> Notice:
    about = {
        "agent": {"id": agent.public_id, "host": agent.host, "environment": agent.environment},
        "last_seen_at": _spelled(agent.last_seen_at),
    }
    return Notice(
        cause=Cause.AGENT_SILENT,
        organization_id=agent.organization_id,
        subject_id=agent.pk,
        moment=agent.last_seen_at,
        data=about_organization(agent.organization) | about,
    )


def _spelled(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
