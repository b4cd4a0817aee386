"""`/healthz` reports that this process responds, `/readyz` that it can serve requests.

Both are public, so they reveal no more than a word and the version.
"""

import logging
import threading
import time
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from config import __version__
from config.lib import wsgi_responses
from config.lib.readiness import missing_parts

logger = logging.getLogger(__name__)

# Limits the queries of `/readyz` however often it is called, because it needs no credential.
CHECK_SECONDS = 1.0
ALIVE = f"alive {__version__}"


@wsgi_responses.safe_methods_only
def alive(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    return wsgi_responses.respond_text(environ, start_response, HTTPStatus.OK, ALIVE)


@wsgi_responses.safe_methods_only
def ready(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    missing = readiness.missing()
    if missing:
        return wsgi_responses.respond_text(
            environ,
            start_response,
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"not ready: {', '.join(missing)}",
        )
    return wsgi_responses.respond_text(environ, start_response, HTTPStatus.OK, "ready")


class Readiness:
    """Thread-safe. One thread checks at a time, and the result is cached for a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._missing: list[str] = []
        self._is_migrated = False

    def missing(self) -> list[str]:
        with self._lock:
            if time.monotonic() >= self._checked_at + CHECK_SECONDS:
                self._missing = [*self._database(), *missing_parts()]
                self._checked_at = time.monotonic()
            return self._missing

    def _database(self) -> list[str]:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            # Check migrations until they pass once. New ones come with new code, in a new process.
            self._is_migrated = self._is_migrated or _is_migrated()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Not ready: %s", error)
            return ["database"]
        return [] if self._is_migrated else ["migrations"]


def _is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


readiness = Readiness()
