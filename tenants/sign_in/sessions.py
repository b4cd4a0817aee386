"""The browsers where a user is signed in: list them, note their use, and end them."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.utils.crypto import constant_time_compare

from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.models import User

MOST_LISTED = 100
SEEN_EVERY = timedelta(minutes=1)


def live(user: User, at: datetime) -> Sequence[UserSession]:
    """Return the sessions that still sign the user in, the one used last first. Two queries.

    allauth's own list reads and deletes session by session.
    """
    known = UserSession.objects.filter(user=user).order_by("-last_seen_at", "-pk")
    listed = list(known[:MOST_LISTED])
    keys = [session.session_key for session in listed]
    stored = Session.objects.filter(session_key__in=keys, expire_date__gt=at)
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    valid = {
        session.session_key for session in stored if _signs_in(session.get_decoded(), user, hashes)
    }
    return [session for session in listed if session.session_key in valid]


def _signs_in(data: dict[str, Any], user: User, hashes: Iterable[str]) -> bool:
    """Repeat Django's check: a changed password ends the session without deleting it."""
    return data.get(SESSION_KEY) == str(user.pk) and any(
        constant_time_compare(data.get(HASH_SESSION_KEY, ""), expected) for expected in hashes
    )


def note_use(session_key: str, *, address: str, at: datetime) -> None:
    """Record when and from where a session was used, at most once a minute."""
    # The key is the session's secret, and a cache may be another server's.
    name = f"session-seen:{hashlib.sha256(session_key.encode()).hexdigest()}"
    if not cache.add(name, 1, SEEN_EVERY.total_seconds()):
        return
    seen: dict[str, Any] = {"last_seen_at": at} | ({"ip": address} if address else {})
    UserSession.objects.filter(session_key=session_key, last_seen_at__lt=at).update(**seen)


@transaction.atomic
def end(*, user: User, sessions: Sequence[UserSession], by: Actor) -> None:
    """Sign out these browsers of the user, from their next request on. Trailed once, or not at all.

    A request of the session that is running saves nothing: Django refuses to store a session that
    was deleted meanwhile.
    """
    ending = UserSession.objects.filter(user=user, pk__in=[session.pk for session in sessions])
    Session.objects.filter(session_key__in=[session.session_key for session in sessions]).delete()
    ended, _ = ending.delete()
    if ended:
        addresses = sorted({session.ip for session in sessions})
        trail.record(
            Action.USER_SESSIONS_ENDED,
            by=by,
            target=user.as_target(),
            data={"sessions": ended, "addresses": addresses},
        )
