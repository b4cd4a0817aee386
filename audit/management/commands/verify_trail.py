from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import trail
from audit.models import TrailEntry
from config.lib.ids import decode, encode


class Command(BaseCommand):
    help = (
        "Recompute the hash chains of the audit log and report every entry that was changed, "
        "removed, moved or inserted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--organization", metavar="org_…", help="check only this organization (default: all)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chains = [self._organization(options["organization"])] if options["organization"] else None
        flaws = 0
        for flaw in trail.verify(chains):
            flaws += 1
            self.stdout.write(f"{encode('org', flaw.organization)} {flaw.sequence}: {flaw.reason}")
        if flaws:
            raise CommandError(
                f"The audit log is not intact: {flaws} flaw{'s' if flaws > 1 else ''}."
            )
        entries = (
            TrailEntry.objects.all()
            if chains is None
            else TrailEntry.objects.filter(organization_id=chains[0])
        )
        self.stdout.write(f"The audit log is intact: {entries.count()} entries.")

    def _organization(self, text: str) -> Any:
        try:
            return decode("org", text)
        except ValueError as error:
            raise CommandError(str(error)) from error
