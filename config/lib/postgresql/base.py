"""Django's PostgreSQL backend with a circuit breaker around new connections.

During an outage one thread probes and the others fail at once. Without it, every thread of a server
would wait for a connection, and requests that need no database would wait for a thread.
"""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import PoolTimeout

from config.lib.breaker import CircuitBreaker, CircuitOpen

_breaker = CircuitBreaker("The database", PoolTimeout)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Raises psycopg.OperationalError."""
        try:
            return _breaker.call(
                lambda: super(DatabaseWrapper, self).get_new_connection(conn_params)
            )
        except CircuitOpen as error:
            raise psycopg.OperationalError("The database is unavailable.") from error
