"""Django's PostgreSQL, of which one caller at a time finds out whether it is back: nobody else waits for it meanwhile.

Or an outage would hold every thread of a server for as long as a connection is waited for, and with them what needs none.
"""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import PoolTimeout

from config.lib.breaker import Away, Breaker

_breaker = Breaker("The database", PoolTimeout)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Raises psycopg.OperationalError."""
        try:
            return _breaker.ask(
                lambda: super(DatabaseWrapper, self).get_new_connection(conn_params)
            )
        except Away as error:
            raise psycopg.OperationalError("The database does not answer.") from error
