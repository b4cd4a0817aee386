from typing import Any

from django.core.management.base import BaseCommand

from config.lib.signing_keys import generate


class Command(BaseCommand):
    help = (
        "Print a new key for KEYWAY_SIGNING_KEYS. Put it before the existing ones, separated by a "
        "comma."
    )
    # The checks fail without a signing key, and this command makes the first one.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(generate())
