"""Remember where each person signs in from, and report a place that is new."""

import re
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network

from django.db import IntegrityError, transaction

from apikeys.notices.causes import Cause
from apikeys.notices.models import AGENT_LENGTH, KnownOrigin, Notice
from apikeys.notices.record import put
from config.lib.text import printable
from tenants.sign_in.arrivals import SignIn

# After so long without a sign-in from it, a place is new again.
REMEMBERED = timedelta(days=400)

_BROWSERS = (
    ("Firefox/", "Firefox"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
_PRODUCT = re.compile(r"[^\s/(]+")


def note_sign_in(sign_in: SignIn) -> None:
    """Record a notice if the person has signed in before, and never from here.

    The first sign-in that Keyway sees of a person has nothing to be compared with.
    """
    place = {"address": _network(sign_in.address), "agent": kind_of(sign_in.user_agent)}
    known = KnownOrigin.objects.filter(user=sign_in.user)
    if known.filter(**place).update(last_seen_at=sign_in.at):
        return
    is_first = not known.exists()
    try:
        with transaction.atomic():
            origin = KnownOrigin.objects.create(
                user=sign_in.user, first_seen_at=sign_in.at, last_seen_at=sign_in.at, **place
            )
    except IntegrityError:
        return  # the same person signed in from here at the same moment
    if not is_first:
        put([_notice(sign_in, origin)])


def forget(before: datetime) -> None:
    KnownOrigin.objects.filter(last_seen_at__lt=before).delete()


def kind_of(user_agent: str) -> str:
    """Return browser and system, or the name of a program. Versions change too often to matter."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    if browser:
        system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
        return f"{browser} on {system}" if system else browser
    product = _PRODUCT.match(printable(user_agent, AGENT_LENGTH))
    return product[0] if product else "Unknown program"


def _network(address: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 address, which hosts leave for privacy."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(ip_network((parsed, 64), strict=False))


def _notice(sign_in: SignIn, origin: KnownOrigin) -> Notice:
    return Notice(
        cause=Cause.SIGN_IN_NEW,
        person=sign_in.user,
        subject_id=sign_in.user.pk,
        moment=sign_in.at,
        data={
            "user": {"id": sign_in.user.public_id},
            "address": printable(sign_in.address, 64),
            "agent": origin.agent,
        },
    )
