#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Migrations and exports may run for minutes; the limit is for requests.
    os.environ.setdefault("KEYWAY_STATEMENT_TIMEOUT_MS", "0")
    execute_from_command_line(sys.argv)
