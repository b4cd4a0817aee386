"""Changes to webhooks. Each is one function that is atomic and recorded in the trail.

The trail names a webhook by scheme, host and port. Its path can hold a token of the receiver.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from apikeys.notices.causes import Cause
from apikeys.notices.errors import TooManyWebhooks, WebhookSecretShown, WebhookUrlRefused
from apikeys.notices.models import Notice, Webhook
from apikeys.notices.record import about_organization, put
from audit import trail
from audit.outbox import conf
from audit.outbox.destinations import BadUrl, is_reachable, literal, parse
from audit.outbox.seal import is_current, open_sealed, seal
from audit.outbox.signature import WebhookSecret
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.models import Organization, User

MOST = 10
OVERLAP = timedelta(days=1)
_PURPOSE = b"keyway.notices.webhook_secret.1"


@dataclass(frozen=True, slots=True)
class AddedWebhook:
    """A new webhook and its signing secret, which only this object holds in plaintext."""

    webhook: Webhook
    plaintext: WebhookSecret


def check_url(url: str) -> None:
    """Raises WebhookUrlRefused for a URL that no delivery could reach.

    A host name is resolved at each delivery, because it can change at any time.
    """
    try:
        destination = parse(url)
    except BadUrl as error:
        raise WebhookUrlRefused(str(error)) from error
    networks = conf.webhook_networks()
    if destination.scheme != "https" and not networks:
        raise WebhookUrlRefused("Enter a URL that starts with https://.")
    address = literal(destination.host)
    if address and not is_reachable(address, destination, networks):
        raise WebhookUrlRefused("Enter a URL on a public address, on port 443 or 8443.")


def add(
    *,
    organization: Organization,
    url: str,
    causes: Collection[str],
    by: Actor,
    created_by: User,
    idempotency_key: str,
) -> AddedWebhook:
    """Raises WebhookUrlRefused, TooManyWebhooks, or WebhookSecretShown for a repeated form."""
    check_url(url)
    plaintext = WebhookSecret.mint()
    webhook = Webhook(
        organization=organization,
        url=url,
        causes=sorted(causes),
        secret=_sealed(plaintext),
        created_by=created_by,
        idempotency_key=idempotency_key,
    )
    try:
        with transaction.atomic():
            # Locked, or two requests at once would each find one place left.
            Organization.objects.select_for_update().get(pk=organization.pk)
            if Webhook.objects.for_organization(organization).count() >= MOST:
                raise TooManyWebhooks()
            webhook.save(force_insert=True)
            _record(Action.WEBHOOK_ADDED, webhook, by, {"causes": webhook.causes})
    except IntegrityError as error:
        # one_form_shows_one_webhook_secret: the only constraint that valid input can violate.
        raise WebhookSecretShown() from error
    return AddedWebhook(webhook, plaintext)


@transaction.atomic
def edit(*, webhook: Webhook, url: str, causes: Collection[str], by: Actor) -> None:
    """Raises WebhookUrlRefused. Messages that wait go to the new URL."""
    check_url(url)
    locked = Webhook.objects.select_for_update().get(pk=webhook.pk)
    before = {"origin": locked.origin, "causes": locked.causes}
    is_changed = locked.url != url or locked.causes != sorted(causes)
    locked.url, locked.causes = url, sorted(causes)
    if is_changed:
        locked.save(update_fields=["url", "causes"])
        after = {"origin": locked.origin, "causes": locked.causes}
        _record(Action.WEBHOOK_CHANGED, locked, by, {"from": before, "to": after})


@transaction.atomic
def rotate_secret(*, webhook: Webhook, by: Actor, idempotency_key: str) -> WebhookSecret:
    """Replace the signing secret. Requests carry signatures of both for OVERLAP.

    Raises WebhookSecretShown if the same form has already rotated it.
    """
    locked = Webhook.objects.select_for_update().get(pk=webhook.pk)
    if locked.idempotency_key == idempotency_key:
        raise WebhookSecretShown()
    plaintext = WebhookSecret.mint()
    locked.previous_secret, locked.previous_until = locked.secret, timezone.now() + OVERLAP
    locked.secret, locked.idempotency_key = _sealed(plaintext), idempotency_key
    locked.save()
    _record(Action.WEBHOOK_SECRET_ROTATED, locked, by)
    return plaintext


@transaction.atomic
def disable(*, webhook: Webhook, by: Actor, reason: str = "") -> None:
    """Stop deliveries. Idempotent. Keyway gives a reason, and the admins get a notice of it."""
    now = timezone.now()
    enabled = Webhook.objects.enabled().filter(pk=webhook.pk)
    if not enabled.update(disabled_at=now, disabled_reason=reason):
        return
    _record(Action.WEBHOOK_DISABLED, webhook, by, {"reason": reason})
    if reason:
        about = {"webhook": {"id": webhook.public_id, "url": webhook.origin}, "reason": reason}
        put(
            [
                Notice(
                    cause=Cause.WEBHOOK_DISABLED,
                    organization_id=webhook.organization_id,
                    subject_id=webhook.pk,
                    moment=now,
                    data=about_organization(webhook.organization) | about,
                )
            ]
        )


@transaction.atomic
def enable(*, webhook: Webhook, by: Actor) -> None:
    """Deliver from now on. Idempotent. What was given up meanwhile can be redelivered."""
    disabled = Webhook.objects.filter(pk=webhook.pk, disabled_at__isnull=False)
    if disabled.update(disabled_at=None, disabled_reason="", failing_since=None):
        _record(Action.WEBHOOK_ENABLED, webhook, by)


@transaction.atomic
def delete(*, webhook: Webhook, by: Actor) -> None:
    """Delete the webhook and its log. Messages that wait are given up."""
    deleted, _ = Webhook.objects.filter(pk=webhook.pk).delete()
    if deleted:
        _record(Action.WEBHOOK_DELETED, webhook, by)


def signing_secrets(webhook: Webhook, at: datetime) -> list[WebhookSecret]:
    """Return the secrets to sign with, the current one first. Raises SealBroken."""
    keys = conf.secret_keys()
    sealed = [bytes(webhook.secret)]
    if webhook.previous_secret and webhook.previous_until and webhook.previous_until > at:
        sealed.append(bytes(webhook.previous_secret))
    return [WebhookSecret(open_sealed(each, keys, _PURPOSE)) for each in sealed]


def reseal() -> None:
    """Seal secrets under the newest SECRET_KEY, so that its predecessors can go. Idempotent."""
    keys = conf.secret_keys()
    Webhook.objects.filter(previous_until__lte=timezone.now()).update(
        previous_secret=None, previous_until=None
    )
    if len(keys) == 1:
        return
    for name in ("secret", "previous_secret"):
        for pk, sealed in Webhook.objects.exclude(**{name: None}).values_list("pk", name):
            if not is_current(bytes(sealed), keys, _PURPOSE):
                fresh = seal(open_sealed(bytes(sealed), keys, _PURPOSE), keys, _PURPOSE)
                # Conditional: a rotation since the read has stored another secret.
                Webhook.objects.filter(pk=pk, **{name: sealed}).update(**{name: fresh})


def _sealed(plaintext: WebhookSecret) -> bytes:
    return seal(plaintext.raw, conf.secret_keys(), _PURPOSE)


def _record(
    action: Action, webhook: Webhook, by: Actor, data: dict[str, object] | None = None
) -> None:
    trail.record(
        action, organization=webhook.organization_id, by=by, target=webhook.as_target(), data=data
    )
