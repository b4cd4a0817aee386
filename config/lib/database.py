"""Database options: every wait has a limit, and every commit is flushed to disk."""

from typing import Any

LOCK_TIMEOUT_MS = 3000
CONNECT_SECONDS = 2
# How long the pool retries a lost connection, with exponential backoff, before it waits for the
# next request to try again.
RECONNECT_SECONDS = 1


def engine(named: str) -> str:
    return "config.lib.postgresql" if named == "django.db.backends.postgresql" else named


def options(engine: str, statement_timeout_ms: int, pool: int) -> dict[str, Any]:
    """Return Django's OPTIONS, with at most `pool` connections per process.

    SQLite has neither a pool nor a statement timeout.
    """
    if engine.endswith("sqlite3"):
        return {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            ),
        }
    return {
        "pool": {
            "min_size": 1,
            "max_size": pool,
            "timeout": CONNECT_SECONDS,
            "reconnect_timeout": RECONNECT_SECONDS,
        },
        "options": f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={statement_timeout_ms}",
        "connect_timeout": CONNECT_SECONDS,
    }
