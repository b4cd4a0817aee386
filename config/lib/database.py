"""How the database is reached: every wait is bounded, and every commit is on the disk."""

from typing import Any

LOCK_TIMEOUT_MS = 3000
CONNECT_SECONDS = 2
# How long the pool goes on looking for a database that went away before it waits to be asked again. Its pauses double.
RECONNECT_SECONDS = 1


def engine(named: str) -> str:
    return "config.lib.postgresql" if named == "django.db.backends.postgresql" else named


def options(engine: str, statement_timeout_ms: int, pool: int) -> dict[str, Any]:
    """OPTIONS for Django. A pool of at most `pool` connections a process; SQLite has neither that nor a time for statements."""
    if engine.endswith("sqlite3"):
        return {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
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
