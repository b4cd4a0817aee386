import os
import signal
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseProblem
from django.db import connection

from config.lib.worker import claims, duties
from config.lib.worker.claims import DutyStatus
from config.lib.worker.duties import Registration
from config.lib.worker.runner import Runner


class Command(BaseCommand):
    help = """Run Keyway's recurring duties until SIGTERM: draining usage, sending email, pruning.

Start one beside each server. Several workers share the duties: each is claimed in
the database before it runs, and a worker that dies is replaced by the others within
seconds. On SIGTERM or SIGINT it finishes what is running, waiting up to 15 seconds,
and exits with 0.

  work                             run until stopped
  work --list                      show each duty: when it is due, how its last run ended
  work --once                      run what is due now, then exit; 1 if a duty failed
  work --once --duty prune_usage   run this duty now, due or not"""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="run what is due once and exit")
        how.add_argument("--list", action="store_true", help="show the duties and exit")
        parser.add_argument(
            "--duty", action="append", metavar="NAME", help="only this duty; may be repeated"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = _choose(options["duty"])
        _need_connections(len(chosen) + 1)
        if options["list"]:
            self._list(chosen)
        elif options["once"]:
            self._once(chosen, even_if_not_due=bool(options["duty"]))
        else:
            _work(Runner(chosen))

    def _list(self, chosen: Sequence[Registration]) -> None:
        """Show rows of other hosts too, and duties that have not run anywhere yet."""
        names = {registration.name for registration in chosen}
        known = [each for each in claims.standings() if each.duty.name.partition("@")[0] in names]
        rows = [("DUTY", "DUE", "LAST RUN", "ERROR"), *map(_line, known)]
        missing = {each.row_name for each in chosen} - {each.duty.name for each in known}
        rows += [(name, "now", "never", "") for name in sorted(missing)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self.stdout.write("  ".join(cells).rstrip())

    def _once(self, chosen: Sequence[Registration], *, even_if_not_due: bool) -> None:
        try:
            ran = Runner(chosen).run_once(even_if_not_due=even_if_not_due)
        except DatabaseProblem as error:
            raise CommandError(f"The database is unavailable: {error}") from error
        for held in ran:
            self.stdout.write(f"{held.row}: {held.error or 'done'}")
        skipped = {each.row_name for each in chosen} - {held.row for held in ran}
        if even_if_not_due and skipped:
            raise CommandError(f"Another worker is running {', '.join(sorted(skipped))}.")
        if any(held.error for held in ran):
            raise CommandError("A duty failed.")


def _choose(names: Sequence[str] | None) -> list[Registration]:
    registered = duties.registered()
    if unknown := set(names or ()) - {each.name for each in registered}:
        known = ", ".join(sorted(each.name for each in registered))
        raise CommandError(f"No such duty: {', '.join(sorted(unknown))}. There are: {known}.")
    return [each for each in registered if not names or each.name in names]


def _need_connections(most: int) -> None:
    """Size the pool for every duty at once; the setting is sized for a server's threads."""
    pool = connection.settings_dict["OPTIONS"].get("pool")
    if isinstance(pool, dict):
        pool["max_size"] = max(pool.get("max_size", 0), most)


def _work(runner: Runner) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    if not runner.run():
        # Skip the interpreter's teardown, which may crash under a thread that still runs.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _line(standing: DutyStatus) -> tuple[str, str, str, str]:
    duty, now = standing.duty, standing.now
    if standing.is_claimed and standing.late:
        due = "running"
    elif standing.late:
        due = f"{_span(standing.late)} late"
    else:
        due = f"in {_span(duty.due_at - now)}"
    last = f"{_span(now - duty.finished_at)} ago" if duty.finished_at else "never"
    error = f"{duty.error} ({duty.failures} in a row)" if duty.error else ""
    return duty.name, due, last, error


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
