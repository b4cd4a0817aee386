"""End one of a key's secrets before its time."""

import uuid

from django.db import transaction
from django.utils import timezone

from apikeys.errors import NotUsable
from apikeys.models import Key
from apikeys.services.change import lock_usable, record
from apikeys.stored_secret import Secret
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases
from tenants.changes.leases import Receipt

LAST_SECRET = "This is the key's only secret. Rotate the key, or revoke it."  # noqa: S105  a sentence


def end_secret(*, key: Key, secret_id: uuid.UUID, by: Actor) -> Receipt:
    """Refuse one secret of the key from now on, and keep the other.

    Ending a pending secret undoes its rotation. Ending the live one while another is pending makes
    that one live. Raises NotUsable if the secret has ended already or is the key's only one.
    """
    with transaction.atomic():
        locked = lock_usable(key)
        now = timezone.now()
        usable = {secret.pk: secret for secret in Secret.objects.usable(now).filter(key=key)}
        ending = usable.pop(secret_id, None)
        if ending is None:
            raise NotUsable("This secret has already ended.")
        if not usable:
            raise NotUsable(LAST_SECRET)
        Secret.objects.filter(pk=ending.pk).update(retired_at=now)
        # Otherwise the key would have no live secret, and the one that remains would still lapse.
        activated = Secret.objects.pending().filter(key=key).update(activated_at=now)
        data = {"mask": ending.mask, "remaining_mask": next(iter(usable.values())).mask}
        if activated:
            data["activated_mask"] = data["remaining_mask"]
        record(Action.KEY_SECRET_ENDED, locked, by, data)
    return leases.end()
