import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apikeys import conf
from apikeys.usage.drain import Drainer


class Command(BaseCommand):
    help = (
        "Move recorded usage from the spool into the database. Runs once, unless --loop is given."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--once", action="store_true", help="drain the spool once and exit (default)"
        )
        how.add_argument(
            "--loop",
            action="store_true",
            help="drain every second until SIGTERM, and keep trying during outages",
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
            raise CommandError(f"Part of the spool could not be drained: {error}") from error
        self.stdout.write(f"Drained {moved} lines.")


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
