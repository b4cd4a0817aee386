from typing import Any

from django.core.management.base import BaseCommand

from config.lib.signing_keys import generate


class Command(BaseCommand):
    help = "Print a new key for KEYWAY_SIGNING_KEYS. Put it in front of the others, with a comma."
    requires_system_checks = []  # it is there for who has none yet

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(generate())
