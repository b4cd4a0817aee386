"""The real settings with test values: nothing of a developer's own environment leaks in."""

import atexit
import os
import shutil
import tempfile

from config.lib.signing_keys import generate

os.environ |= {
    "KEYWAY_ENV_FILE": os.devnull,
    "SECRET_KEY": "tests-" + "k" * 50,
    "KEYWAY_PEPPERS": "1:dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHM",
    "KEYWAY_SIGNING_KEYS": generate(),
    "KEYWAY_URL": "http://testserver",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
}
SPOOL = tempfile.mkdtemp(prefix="keyway-spool-")
atexit.register(shutil.rmtree, SPOOL, ignore_errors=True)
os.environ["KEYWAY_SPOOL"] = SPOOL
# Tests come from one address, so the limits of networks and people are off; tests of a limit set
# it. One process, so that it has the whole limit.
os.environ |= {"KEYWAY_PROCESSES": "1", "KEYWAY_LIMIT_REFUSED": "", "KEYWAY_LIMIT_ISSUE": ""}
# Keys use the real Argon2id at its least cost. The servers of tests have settings of their own and
# pay the real cost.
os.environ |= {"KEYWAY_ARGON2_MEMORY_KIB": "8", "KEYWAY_ARGON2_TIME_COST": "1"}
os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")
if "KEYWAY_TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["KEYWAY_TEST_DATABASE_URL"]

from config.settings import *  # noqa: E402, F403

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True  # no collected files to index
# People's passwords are hashed by Django, which tests that itself.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
