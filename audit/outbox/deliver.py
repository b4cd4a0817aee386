"""Send due messages in small batches, each with the deliverer of its kind.

Destinations take turns, so that a slow or busy one delays the others by one message at most.
"""

import logging
import random
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import F, Min, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from audit.outbox import conf
from audit.outbox.errors import DeliveryFailed, Undeliverable, Unreachable
from audit.outbox.models import Message
from audit.outbox.seal import SealBroken, open_sealed
from config.lib.worker import duties

logger = logging.getLogger(__name__)

BATCH = 5
# Must exceed the time a batch can take, or another worker sends the rest of it as well: about six
# replies a message, each of which may take EMAIL_TIMEOUT.
CLAIM = timedelta(minutes=3)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(days=1)
MOST_ERROR = 500

# Sends an opened payload. Raises DeliveryFailed or one of its subclasses.
Deliverer = Callable[[bytes], None]

_deliverers: dict[str, Deliverer] = {}
# Kinds whose destinations are many and not ours. See _postpone.
_breaking: set[str] = set()


def register(kind: str, deliverer: Deliverer, *, duty: str, breaks: bool = False) -> None:
    """Register a kind of message and the duty that sends it, apart from all other kinds.

    With `breaks`, the messages to an unreachable destination all wait as long as the one that
    found it so.
    """
    _deliverers[kind] = deliverer
    if breaks:
        _breaking.add(kind)
    seconds = timedelta(seconds=1)
    duties.register(duty, every=2 * seconds, run=partial(send_due, kind), lasts=15 * seconds)


def kinds() -> list[str]:
    return sorted(_deliverers)


def send_due(*kinds: str) -> None:
    """Send until nothing of these kinds is due. Without arguments, of every kind.

    Leaves out a destination from its first failure on, because each further try would cost a whole
    time-out.
    """
    away: set[str] = set()
    while batch := _claim(kinds or tuple(_deliverers), away):
        for message in batch:
            if message.destination in away:
                _give_back(message)
            elif not _send(message):
                away.add(message.destination)
                _postpone(message)


def _claim(kinds: Collection[str] = (), away: Collection[str] = ()) -> list[Message]:
    """Claim the next messages. A claim counts as an attempt, even if it kills the worker."""
    due = Message.objects.due().filter(kind__in=kinds or _deliverers)
    if away:
        due = due.exclude(destination__in=away)
    # Checked first, because on SQLite the transaction below takes the write lock.
    if not due.exists():
        return []
    with transaction.atomic():
        batch = _take_turns(due)
        Message.objects.filter(pk__in=[message.pk for message in batch]).update(
            claimed_until=Now() + CLAIM, attempts=F("attempts") + 1
        )
    for message in batch:
        message.attempts += 1
    return batch


def _take_turns(due: QuerySet[Message]) -> list[Message]:
    """Lock the next messages of the destinations that have waited longest, a fair share each."""
    first = due.order_by().values_list("destination").annotate(first=Min("due_at"))
    destinations = [name for name, _ in first.order_by("first")[:BATCH]]
    if connection.features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True)
    share = BATCH // max(len(destinations), 1)
    return [each for name in destinations for each in due.filter(destination=name)[:share]]


def _send(message: Message) -> bool:
    """Send one message and record the outcome. Return False if its destination is unreachable."""
    try:
        payload = open_sealed(bytes(message.payload or b""), conf.secret_keys())
        _deliverers[message.kind](payload)
    except SealBroken:
        _give_up(message, "Sealed under a SECRET_KEY that is not in the settings any more.")
    except Undeliverable as error:
        _give_up(message, str(error))
    except DeliveryFailed as error:
        _try_again(message, str(error))
        return not isinstance(error, Unreachable)
    except Exception as error:  # any defect of a deliverer: one message must not block the rest
        logger.exception("Message %d could not be sent", message.pk)
        _try_again(message, type(error).__name__)
    else:
        # Recorded even if the claim has ended meanwhile: the message must not be sent again.
        Message.objects.waiting().filter(pk=message.pk).update(
            sent_at=Now(), payload=None, claimed_until=None, error=""
        )
    return True


def _try_again(message: Message, error: str) -> None:
    if timezone.now() - message.created_at > GIVE_UP_AFTER:
        _give_up(message, error)
        return
    pause = _pause(message.attempts)
    _still_ours(message).update(due_at=Now() + pause, claimed_until=None, error=error[:MOST_ERROR])
    logger.warning(
        "Message %d (%s) failed, attempt %d, next in %d s: %s",
        message.pk,
        message.kind,
        message.attempts,
        pause.total_seconds(),
        error,
    )


def _give_up(message: Message, error: str) -> None:
    _still_ours(message).update(
        given_up_at=Now(), payload=None, claimed_until=None, error=error[:MOST_ERROR]
    )
    logger.error(
        "Message %d (%s) is given up after %d attempts: %s",
        message.pk,
        message.kind,
        message.attempts,
        error,
    )


def _postpone(failed: Message) -> None:
    """Let everything for an unreachable destination wait as long as `failed`.

    Otherwise a dead webhook with a long queue would cost a time-out for each of its messages, and
    delay the webhooks of all other organizations by that much. A mail server is one and ours, so
    its messages go on probing it.
    """
    if failed.kind in _breaking:
        waiting = Message.objects.waiting().filter(kind=failed.kind, due_at__lte=Now())
        waiting.filter(destination=failed.destination).update(
            due_at=Now() + _pause(failed.attempts)
        )


def _give_back(message: Message) -> None:
    _still_ours(message).update(claimed_until=None, attempts=F("attempts") - 1)


def _still_ours(message: Message) -> QuerySet[Message]:
    """Select the row unless our claim expired and another worker has claimed it since."""
    return Message.objects.waiting().filter(pk=message.pk, attempts=message.attempts)


def _pause(attempts: int) -> timedelta:
    """10, 20, 40… seconds, with 20 % jitter so that messages that failed together spread out."""
    doublings = min(max(attempts - 1, 0), 16)
    pause = min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311  no secret
