"""Run ``check --deploy`` with production settings: ``python -m tests.deploy_check``.

Fails on any warning.
"""

import os
import secrets

from config.lib.signing_keys import generate

os.environ |= {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "KEYWAY_ENV_FILE": os.devnull,
    "DEBUG": "false",
    "SECRET_KEY": secrets.token_urlsafe(60),
    "KEYWAY_PEPPERS": f"1:{secrets.token_urlsafe(32)}",
    "KEYWAY_SIGNING_KEYS": generate(),
    "KEYWAY_URL": "https://keyway.example",
    "DATABASE_URL": "postgres://keyway@127.0.0.1:5432/keyway",
}

from django import setup
from django.core.management import call_command

setup()
call_command("check", deploy=True, fail_level="WARNING")
