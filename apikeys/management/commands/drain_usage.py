import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apikeys import conf
from apikeys.usage.drain import Drainer


class Command(BaseCommand):
    help = "Move the usage that was recorded in the spool into the database. Once, unless told to go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--once", action="store_true", help="drain what is there and end (the default)"
        )
        how.add_argument(
            "--loop",
            action="store_true",
            help="drain every second until SIGTERM, through any outage",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        directory, _ = conf.spool()
        drainer = Drainer(directory)
        if options["loop"]:
            drainer.run(_stop_on_signals())
            return
        try:
            moved = drainer.drain()
        except OSError as error:
            raise CommandError(f"A part of the spool stays where it is: {error}") from error
        self.stdout.write(f"Drained {moved} lines.")


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
