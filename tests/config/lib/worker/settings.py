"""Settings with nothing but the worker: it stands alone, and starts in a fraction of the time."""

import environ

from config.lib import database, logs

env = environ.Env()
SECRET_KEY = "tests of the worker"
INSTALLED_APPS = ["config.lib.worker"]
DATABASES = {"default": env.db("DATABASE_URL")}
DATABASES["default"]["ENGINE"] = database.engine(DATABASES["default"]["ENGINE"])
DATABASES["default"]["OPTIONS"] = database.options(DATABASES["default"]["ENGINE"], 0, 1)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOGGING = logs.configuration(level="INFO", form="json")
