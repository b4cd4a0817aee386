from typing import Any

from django.core.management.base import BaseCommand

from apikeys.oauth import tokens


class Command(BaseCommand):
    help = "Delete expired OAuth codes and tokens. Run it once a day."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Deleted {tokens.prune()} rows.")
