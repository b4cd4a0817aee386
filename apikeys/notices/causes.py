"""The causes of notices, and whom each one is for. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import models


class Cause(models.TextChoices):
    """Values are stored and are the `type` of webhooks, so never change one."""

    KEY_EXPIRING = "key.expiring", "A key is about to expire"
    KEY_EXPIRED = "key.expired", "A key has expired"
    KEY_ROTATION_DUE = "key.rotation_due", "A key is due for rotation"
    KEY_ISSUED = "key.issued", "A key is issued"
    RETIRED_SECRET_USED = "key.retired_secret_used", "A retired secret is used"
    APPROVAL_REQUESTED = "approval.requested", "A key waits for approval"
    APPROVAL_ANSWERED = "approval.answered", "A requested key is approved or refused"
    AGENT_SILENT = "agent.silent", "An agent falls silent"
    WEBHOOK_DISABLED = "webhook.disabled", "A webhook is disabled because it keeps failing"
    WEBHOOK_TEST = "webhook.test", "Test"
    SIGN_IN_NEW = "sign_in.new", "Someone signs in from a new place"


# How long before its end a key is about to expire.
STEPS = (timedelta(days=14), timedelta(days=7), timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person can switch on and off."""

    name: str
    title: str
    note: str
    is_on: bool = True


# Of an organization. Keys of a person are reported to that person, all others to the admins.
FOR_ADMINS = (
    Choice(Cause.KEY_EXPIRING, Cause.KEY_EXPIRING.label, "14, 7 and 1 days before the end."),
    Choice(Cause.KEY_EXPIRED, Cause.KEY_EXPIRED.label, "Agent keys and organization keys."),
    Choice(
        Cause.KEY_ROTATION_DUE, Cause.KEY_ROTATION_DUE.label, "By the organization’s key rules."
    ),
    Choice(
        Cause.RETIRED_SECRET_USED,
        Cause.RETIRED_SECRET_USED.label,
        "Any key of the organization, once an hour at most.",
    ),
    Choice(Cause.APPROVAL_REQUESTED, Cause.APPROVAL_REQUESTED.label, "Not sent to the requester."),
    Choice(Cause.AGENT_SILENT, Cause.AGENT_SILENT.label, "After five missed heartbeats."),
    Choice(Cause.WEBHOOK_DISABLED, Cause.WEBHOOK_DISABLED.label, "After a day without success."),
)
ANY_NEW_KEY = "organization.key_issued"
FOR_PEOPLE = (
    Choice(Cause.SIGN_IN_NEW, "New sign-in", "From a browser, program or address not seen before."),
    Choice(
        Cause.RETIRED_SECRET_USED,
        "A retired secret of your key is used",
        "Someone still holds an old secret. Sent once an hour at most.",
    ),
    Choice(
        Cause.KEY_ISSUED,
        "A key is issued in your name",
        "By another person, an application or one of your keys.",
    ),
    Choice(Cause.KEY_EXPIRING, "Your key is about to expire", "14, 7 and 1 days before the end."),
    Choice(Cause.KEY_EXPIRED, "Your key has expired", "Requests with it are refused."),
    Choice(Cause.KEY_ROTATION_DUE, "Your key is due for rotation", "By the key rules."),
    Choice(
        Cause.APPROVAL_ANSWERED, "Your requested key is approved or refused", "With the reason."
    ),
)
FOR_PEOPLE_WHO_MANAGE = Choice(
    ANY_NEW_KEY, "Any new key", "In the organizations that you manage.", is_on=False
)
FOR_WEBHOOKS = (
    Cause.KEY_ISSUED,
    Cause.KEY_EXPIRING,
    Cause.KEY_EXPIRED,
    Cause.KEY_ROTATION_DUE,
    Cause.RETIRED_SECRET_USED,
    Cause.APPROVAL_REQUESTED,
    Cause.APPROVAL_ANSWERED,
    Cause.AGENT_SILENT,
)
# An admin is also told of these if the key is a person's.
FOR_ADMINS_WHOEVER_OWNS = frozenset({Cause.RETIRED_SECRET_USED})


def defaults(choices: tuple[Choice, ...]) -> list[str]:
    return [choice.name for choice in choices if choice.is_on]
