"""Audit actions, in SQL Server's vocabulary (sys.dm_audit_actions) where it has a matching one.

A PostgreSQL command without a SQL Server equivalent uses its own name as the action id:
``VACUUM``, ``SET``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """`weight` ranks actions by audit relevance.

    Of several statements in one text, the heaviest names the event.
    """

    id: str
    name: str
    weight: int


LOGIN_SUCCEEDED = Action("LGIS", "LOGIN SUCCEEDED", 90)
LOGIN_FAILED = Action("LGIF", "LOGIN FAILED", 90)
LOGOUT = Action("LGO", "LOGOUT", 90)
SERVER_STARTED = Action("SVSR", "SERVER STARTED", 90)
SERVER_SHUTDOWN = Action("SVSD", "SERVER SHUTDOWN", 90)
AUDIT_CHANGED = Action("AUSC", "AUDIT SESSION CHANGED", 80)
ALTER_SETTINGS = Action("ALST", "ALTER SETTINGS", 75)
GRANT = Action("G", "GRANT", 72)
REVOKE = Action("R", "REVOKE", 72)
ADD_MEMBER = Action("APRL", "ADD MEMBER", 72)
DROP_MEMBER = Action("DPRL", "DROP MEMBER", 72)
CHANGE_PASSWORD = Action("PWC", "CHANGE PASSWORD", 71)
TAKE_OWNERSHIP = Action("TO", "TAKE OWNERSHIP", 71)
IMPERSONATE = Action("IMP", "IMPERSONATE", 70)
BACKUP = Action("BA", "BACKUP", 65)
DROP = Action("DR", "DROP", 62)
ALTER = Action("AL", "ALTER", 61)
CREATE = Action("CR", "CREATE", 60)
DELETE = Action("DL", "DELETE", 52)
UPDATE = Action("UP", "UPDATE", 51)
INSERT = Action("IN", "INSERT", 50)
EXECUTE = Action("EX", "EXECUTE", 40)
SELECT = Action("SL", "SELECT", 30)
SHOW_PLAN = Action("SPLN", "SHOW PLAN", 15)
CHECKPOINT = Action("CP", "CHECKPOINT", 12)
TRANSACTION_BEGIN = Action("TRBC", "TRANSACTION BEGIN COMPLETED", 2)
TRANSACTION_COMMIT = Action("TRCC", "TRANSACTION COMMIT COMPLETED", 3)
TRANSACTION_ROLLBACK = Action("TRRC", "TRANSACTION ROLLBACK COMPLETED", 3)
TRANSACTION_SAVEPOINT = Action("TRSC", "TRANSACTION SAVEPOINT COMPLETED", 2)
UNKNOWN = Action("UNKNOWN", "UNKNOWN", 0)

BY_VERB = {
    "SELECT": SELECT,
    "VALUES": SELECT,
    "TABLE": SELECT,
    "DECLARE": SELECT,
    "INSERT": INSERT,
    "UPDATE": UPDATE,
    "MERGE": UPDATE,
    "DELETE": DELETE,
    "TRUNCATE": DELETE,
    "EXECUTE": EXECUTE,
    "CALL": EXECUTE,
    "DO": EXECUTE,
    "CREATE": CREATE,
    "IMPORT": CREATE,
    "ALTER": ALTER,
    "COMMENT": ALTER,
    "SECURITY": ALTER,
    "DROP": DROP,
    "GRANT": GRANT,
    "REVOKE": REVOKE,
    "REASSIGN": TAKE_OWNERSHIP,
    "EXPLAIN": SHOW_PLAN,
    "CHECKPOINT": CHECKPOINT,
    "BASE_BACKUP": BACKUP,
    "BEGIN": TRANSACTION_BEGIN,
    "START": TRANSACTION_BEGIN,
    "COMMIT": TRANSACTION_COMMIT,
    "END": TRANSACTION_COMMIT,
    "ROLLBACK": TRANSACTION_ROLLBACK,
    "ABORT": TRANSACTION_ROLLBACK,
    "SAVEPOINT": TRANSACTION_SAVEPOINT,
}
# First words of PostgreSQL statements without a SQL Server equivalent. Any other word is UNKNOWN.
_POSTGRESQL_VERBS = """
ANALYZE CLOSE CLUSTER COPY DEALLOCATE DISCARD FETCH LISTEN LOAD LOCK MOVE NOTIFY PREPARE REFRESH
REINDEX RELEASE RESET SET SHOW UNLISTEN VACUUM CREATE_REPLICATION_SLOT DROP_REPLICATION_SLOT
IDENTIFY_SYSTEM READ_REPLICATION_SLOT START_REPLICATION TIMELINE_HISTORY
"""
POSTGRESQL_VERBS = frozenset(_POSTGRESQL_VERBS.split())


def of_verb(verb: str) -> Action:
    """Return the action of a command, given its first word in upper case."""
    if action := BY_VERB.get(verb):
        return action
    return Action(verb[:16], verb.replace("_", " "), 10) if verb in POSTGRESQL_VERBS else UNKNOWN


def weightier(one: Action, other: Action) -> Action:
    return other if other.weight > one.weight else one
