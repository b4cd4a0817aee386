"""What the worker does for notices."""

from datetime import timedelta

from django.utils import timezone

from apikeys.notices import deliveries, find, origins, record, spread, webhooks
from apikeys.notices.models import Notice
from apikeys.rules.approval import KeyRequest
from apikeys.services import alarms, rules
from apikeys.services.alarms import RetiredSecretAlarm
from apikeys.services.approve import on_answer, on_request
from audit.outbox import deliver
from audit.trail.actor import Actor
from config.lib.worker import duties

# Longer than any event is found after, or an old one would get a second notice.
KEPT = timedelta(days=90)
SLICE = 1000


def register() -> None:
    deliver.register("webhook", deliveries.send, duty="send_webhooks", breaks=True)
    seconds = timedelta(seconds=1)
    duties.register("spread_notices", every=2 * seconds, run=spread.spread, lasts=15 * seconds)
    duties.register("notice_agents", every=timedelta(minutes=1), run=find.notice_agents)
    duties.register("notice_keys", every=timedelta(minutes=5), run=find.notice_keys)
    alarms.on_alarm(_note_retired_secret)
    on_request.append(_note_request)
    on_answer.append(_note_answer)
    find.on_rotation_due(rules.rotations_due)
    duties.register("prune_notices", every=timedelta(hours=1), run=prune)


def _note_retired_secret(alarm: RetiredSecretAlarm) -> None:
    record.retired_secret_used(
        alarm.key, mask=alarm.secret.mask, address=alarm.address, at=alarm.at
    )


def _note_request(request: KeyRequest, by: Actor) -> None:
    record.approval_requested(
        request_id=request.pk,
        organization=request.organization,
        name=request.name,
        requester=request.requester,
        at=request.created_at,
    )


def _note_answer(request: KeyRequest, by: Actor) -> None:
    record.approval_answered(
        request_id=request.pk,
        organization=request.organization,
        name=request.name,
        requester=request.requester,
        is_approved=request.approved_at is not None,
        reason=request.reason,
        by=by,
        at=timezone.now(),
    )


def prune() -> None:
    """Delete old notices and places, and seal webhooks' secrets under the newest key."""
    now = timezone.now()
    old = Notice.objects.filter(created_at__lt=now - KEPT, spread_at__isnull=False)
    while slice_ := list(old.order_by("created_at").values_list("pk", flat=True)[:SLICE]):
        Notice.objects.filter(pk__in=slice_).delete()
    origins.forget(now - origins.REMEMBERED)
    webhooks.reseal()
