"""`/healthz`: this process answers. `/readyz`: it can do its work. Neither tells strangers more than a word."""

import logging
import threading
import time
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from config.lib import wsgi_responses
from config.lib.readiness import missing_parts

logger = logging.getLogger(__name__)

# Whoever asks may ask as often as they like; the database is asked this often.
LOOK_SECONDS = 1.0


@wsgi_responses.reading
def alive(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    return wsgi_responses.text(environ, start_response, HTTPStatus.OK, "alive")


@wsgi_responses.reading
def ready(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    missing = readiness.missing()
    if missing:
        return wsgi_responses.text(
            environ,
            start_response,
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"not ready: {', '.join(missing)}",
        )
    return wsgi_responses.text(environ, start_response, HTTPStatus.OK, "ready")


class Readiness:
    """Thread-safe; one thread looks at a time, and what it saw holds for a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._missing: list[str] = []
        self._is_migrated = False

    def missing(self) -> list[str]:
        with self._lock:
            if time.monotonic() >= self._looked_at + LOOK_SECONDS:
                self._missing = [*self._database(), *missing_parts()]
                self._looked_at = time.monotonic()
            return self._missing

    def _database(self) -> list[str]:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            # Migrations are only ever added, and new code is a new process: once is enough.
            self._is_migrated = self._is_migrated or _is_migrated()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Not ready: %s", error)
            return ["database"]
        return [] if self._is_migrated else ["migrations"]


def _is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


readiness = Readiness()
