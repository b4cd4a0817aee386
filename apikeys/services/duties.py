"""What the worker does for requests and hand-overs."""

from datetime import timedelta

from django.utils import timezone

from apikeys.services import hand_over
from apikeys.services.approve import lapse
from config.lib.worker import duties


def register() -> None:
    duties.register(
        "lapse_key_requests",
        every=timedelta(minutes=10),
        run=lambda: lapse(timezone.now()),
    )
    duties.register("finish_hand_overs", every=timedelta(seconds=10), run=hand_over.finish)
