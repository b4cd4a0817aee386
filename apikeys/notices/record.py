"""Record notices in the transaction of their cause.

`on_rotation_due` and the functions for approvals and retired secrets are what other parts of
Keyway call. None of them sends anything: the worker does, after the commit.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from apikeys.notices.causes import Cause
from apikeys.notices.models import Notice
from audit.trail.actor import Actor
from config.lib.ids import encode
from config.lib.text import printable
from tenants.models import Organization, User

if TYPE_CHECKING:
    from apikeys.models import Key

ALARM_EVERY = timedelta(hours=1)
SLICE = 500
MOST_TEXT = 500


def key_issued(key: "Key", *, mask: str, by: Actor) -> None:
    """Call in the transaction that issues the key."""
    data = about_key(key, mask=mask) | {"by": _actor(by)}
    notice = Notice(
        cause=Cause.KEY_ISSUED, subject_id=key.pk, moment=key.created_at, data=data, **_parties(key)
    )
    put([notice])


def retired_secret_used(key: "Key", *, mask: str, address: str, at: datetime) -> None:
    """Report that a retired secret was presented, unless that was reported less than an hour ago.

    `key` must be saved and come with its organization and owner.
    """
    if _reported_since(key, at - ALARM_EVERY):
        return  # without the lock below: a caller that goes on and on must not hold up the key
    with transaction.atomic():
        # Two presentations at once would both find no earlier report.
        type(key).objects.select_for_update(of=("self",)).get(pk=key.pk)
        if _reported_since(key, at - ALARM_EVERY):
            return
        data = about_key(key, mask=mask) | {"address": printable(address, 64)}
        put(
            [
                Notice(
                    cause=Cause.RETIRED_SECRET_USED,
                    subject_id=key.pk,
                    moment=at,
                    data=data,
                    **_parties(key),
                )
            ]
        )


def _reported_since(key: "Key", at: datetime) -> bool:
    reported = Notice.objects.filter(cause=Cause.RETIRED_SECRET_USED, subject_id=key.pk)
    return reported.filter(moment__gt=at).exists()


def approval_requested(
    *, request_id: uuid.UUID, organization: Organization, name: str, requester: User, at: datetime
) -> None:
    """Call in the transaction that stores the request."""
    data = _about_request(organization, request_id, name, requester)
    put(
        [
            Notice(
                cause=Cause.APPROVAL_REQUESTED,
                organization=organization,
                person=requester,
                subject_id=request_id,
                moment=at,
                data=data,
            )
        ]
    )


def approval_answered(
    *,
    request_id: uuid.UUID,
    organization: Organization,
    name: str,
    requester: User,
    is_approved: bool,
    reason: str,
    by: Actor,
    at: datetime,
) -> None:
    """Call in the transaction that approves or refuses the request."""
    answer = {"approved": is_approved, "reason": printable(reason, MOST_TEXT), "by": _actor(by)}
    data = _about_request(organization, request_id, name, requester) | answer
    put(
        [
            Notice(
                cause=Cause.APPROVAL_ANSWERED,
                organization=organization,
                person=requester,
                subject_id=request_id,
                moment=at,
                data=data,
            )
        ]
    )


def put(notices: Iterable[Notice]) -> None:
    """Store the notices whose event has none yet, whatever other processes do at the same time."""
    Notice.objects.bulk_create(list(notices), ignore_conflicts=True, batch_size=SLICE)


def about_key(key: "Key", *, mask: str | None = None) -> dict[str, object]:
    owner = key.owner
    return about_organization(key.organization) | {
        "key": {
            "id": key.public_id,
            "name": key.name,
            "mask": key.mask if mask is None else mask,
            "kind": key.kind,
            "environment": key.environment,
            "owner": {"id": owner.user.public_id, "name": str(owner.user)} if owner else None,
        }
    }


def about_organization(organization: Organization) -> dict[str, object]:
    return {"organization": {"id": organization.public_id, "name": organization.name}}


def _about_request(
    organization: Organization, request_id: uuid.UUID, name: str, requester: User
) -> dict[str, object]:
    return about_organization(organization) | {
        "request": {
            "id": encode("req", request_id),
            "name": name,
            "requested_by": {"id": requester.public_id, "name": str(requester)},
        }
    }


def _parties(key: "Key") -> dict[str, object]:
    return {
        "organization_id": key.organization_id,
        "person_id": key.owner.user_id if key.owner else None,
    }


def _actor(by: Actor) -> dict[str, str]:
    return {"kind": by.kind, "id": by.id, "name": by.name}
