"""The words of emails. Pure.

Names are chosen by others. They are put on one line and in quotation marks, so that a hostile name
can neither add a header or a line nor pass for a sentence of Keyway's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from apikeys.notices.audience import Why
from apikeys.notices.causes import Cause
from apikeys.notices.models import Notice
from config.lib.text import printable

MOST_NAME = 80
MOST_LISTED = 20
# Several of these to one person are one email. Alarms and answers are an email each.
TOGETHER = frozenset(
    {Cause.KEY_EXPIRING, Cause.KEY_EXPIRED, Cause.KEY_ROTATION_DUE, Cause.AGENT_SILENT}
)


@dataclass(frozen=True, slots=True)
class Words:
    """Templates of one cause: `many` is the headline of several, `item` a line of their list."""

    headline: str
    text: str
    advice: str
    path: str = "/keys/{key_id}/"
    many: str = ""
    item: str = "“{name}” ({mask})"


_KEY = "The API key “{name}” ({mask}) of {organization}"
_ALL_KEYS = "/o/{slug}/settings/api-keys/"
_REQUEST = "/o/{slug}/key-requests/{request_id}/"
_ISSUED = Words(
    "“{name}” was issued",
    "{by} issued the API key “{name}” ({mask}) in {organization}. Its owner is {owner}.",
    "If you did not expect this key, revoke it.",
)
_ISSUED_TO_YOU = Words(
    "“{name}” was issued in your name",
    "{by} issued the API key “{name}” ({mask}) in {organization}. It belongs to you.",
    "If you did not expect this key, revoke it now.",
)
_APPROVED = Words(
    "“{name}” was approved",
    "{by} approved the API key “{name}” that you requested in {organization}.",
    "Collect its secret. It is made at that moment and shown once.",
    _REQUEST,
)
_REFUSED = Words(
    "“{name}” was refused",
    "{by} refused the API key “{name}” that you requested in {organization}.",
    "Reason given: {reason}",
    _REQUEST,
)
_WORDS = {
    Cause.KEY_EXPIRING: Words(
        "“{name}” expires in {days}",
        f"{_KEY} expires on {{end}}. From then on, requests with it are refused.",
        "Issue a new key before then, and replace this one wherever it is used.",
        many="{count} API keys expire within {days}",
        item="“{name}” ({mask}), on {end}",
    ),
    Cause.KEY_EXPIRED: Words(
        "“{name}” has expired",
        f"{_KEY} expired on {{end}}. Requests with it are refused.",
        "If something still needs access, issue a new key for it.",
        many="{count} API keys have expired",
        item="“{name}” ({mask}), on {end}",
    ),
    Cause.KEY_ROTATION_DUE: Words(
        "“{name}” is due for rotation",
        f"{_KEY} is due for rotation, by the key rules of your organization.",
        "Rotate it. The old secret can keep working while you replace it.",
        many="{count} API keys are due for rotation",
    ),
    Cause.RETIRED_SECRET_USED: Words(
        "A retired secret of “{name}” was used",
        "The retired secret {mask} of the API key “{name}” of {organization} was presented from"
        " {address}. The request was refused.",
        "Either a program still uses the old secret, or someone else has it.",
    ),
    Cause.APPROVAL_REQUESTED: Words(
        "{requester} requests the key “{name}”",
        "{requester} requests the API key “{name}” in {organization}. It needs approval.",
        "Approve or refuse the request.",
        _REQUEST,
    ),
    Cause.AGENT_SILENT: Words(
        "Agent {host} is silent",
        "The agent on {host} of {organization} was last seen on {seen}. Keyway receives no audit"
        " events from this host.",
        "Check that the agent runs, that it reaches Keyway, and that its key is active.",
        "/o/{slug}/agents/",
        many="{count} agents are silent",
        item="{host}, last seen on {seen}",
    ),
    Cause.WEBHOOK_DISABLED: Words(
        "The webhook to {origin} is disabled",
        "Keyway disabled the webhook to {origin} of {organization}. {reason}",
        "Repair the receiver, and enable the webhook again.",
        "/o/{slug}/settings/webhooks/{webhook_id}/",
    ),
    Cause.SIGN_IN_NEW: Words(
        "New sign-in from {agent}",
        "You signed in from a place that Keyway has not seen before: {agent}, IP address"
        " {address}, on {at}.",
        "If this wasn’t you, change your password and sign out all other sessions.",
        "/accounts/sessions/",
    ),
}


def write(notices: Sequence[Notice], why: Why, site: str) -> tuple[str, str]:
    """Return the subject and the text of one email about these notices of the same kind."""
    first = notices[0]
    words, fields = _words(first, why), _fields(first)
    if len(notices) > 1:
        headline = words.many.format(count=len(notices), **fields)
        body = [f"{fields['organization']}: {headline}.", _listed(words, notices)]
        link = (words.path if first.cause == Cause.AGENT_SILENT else _ALL_KEYS).format(**fields)
    else:
        headline = words.headline.format(**fields)
        body, link = [words.text.format(**fields)], words.path.format(**fields)
    body += [words.advice.format(**fields), site + link, _footer(first, why, site, fields)]
    prefix = f"{fields['organization']}: " if first.organization else ""
    return f"[Keyway] {prefix}{headline}", "\n\n".join(body) + "\n"


def _words(notice: Notice, why: Why) -> Words:
    if notice.cause == Cause.KEY_ISSUED:
        return _ISSUED_TO_YOU if why is Why.PERSONAL else _ISSUED
    if notice.cause == Cause.APPROVAL_ANSWERED:
        return _APPROVED if notice.data["approved"] else _REFUSED
    return _WORDS[Cause(notice.cause)]


def _listed(words: Words, notices: Sequence[Notice]) -> str:
    lines = [f"- {words.item.format(**_fields(notice))}" for notice in notices[:MOST_LISTED]]
    if len(notices) > MOST_LISTED:
        lines.append(f"- and {len(notices) - MOST_LISTED} more")
    return "\n".join(lines)


def _footer(notice: Notice, why: Why, site: str, fields: Mapping[str, str]) -> str:
    if why is Why.ADMIN:
        link = f"{site}/o/{fields['slug']}/settings/notifications/"
        reason = f"You get this email because you manage {fields['organization']}."
    else:
        link = f"{site}/profile/notifications/"
        reason = "You get this email because you have an account."
        if notice.organization:
            reason = f"You get this email because you are a member of {fields['organization']}."
    return f"{reason} Change what Keyway emails:\n{link}\n\nKeyway at {urlsplit(site).netloc}"


def _fields(notice: Notice) -> dict[str, str]:
    """Return every value that a template can name, each on one line."""
    data: dict[str, Any] = notice.data
    about = data.get("key") or data.get("request") or {}
    days = data.get("days")
    fields = {
        "organization": notice.organization.name if notice.organization else "",
        "slug": notice.organization.slug if notice.organization else "",
        "name": about.get("name", ""),
        "mask": about.get("mask", ""),
        "key_id": about.get("id", ""),
        "request_id": (data.get("request") or {}).get("id", ""),
        "owner": (about.get("owner") or {}).get("name") or "the organization",
        "requester": (about.get("requested_by") or {}).get("name", ""),
        "by": (data.get("by") or {}).get("name", ""),
        "days": "1 day" if days == 1 else f"{days} days",
        "end": _day(data.get("expires_at")),
        "seen": _day(data.get("last_seen_at")),
        "at": _day(notice.moment.isoformat()),
        "host": (data.get("agent") or {}).get("host", "") if _is_silence(notice) else "",
        "agent": "" if _is_silence(notice) else data.get("agent", ""),
        "address": data.get("address") or "an unknown address",
        "reason": data.get("reason") or "none.",
        "origin": (data.get("webhook") or {}).get("url", ""),
        "webhook_id": (data.get("webhook") or {}).get("id", ""),
    }
    return {name: _line(str(value)) for name, value in fields.items()}


def _is_silence(notice: Notice) -> bool:
    return notice.cause == Cause.AGENT_SILENT


def _line(text: str) -> str:
    shown = printable(text, MOST_NAME)
    return shown if len(text) <= MOST_NAME else f"{shown[:-1]}…"


def _day(spelled: str | None) -> str:
    """Return ``19 Feb 2027 at 23:59 UTC``."""
    if not spelled:
        return ""
    at = datetime.fromisoformat(spelled)
    return f"{at.day} {at:%b %Y at %H:%M} UTC"
