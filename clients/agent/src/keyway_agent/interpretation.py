"""Turn a log record into a draft: a statement, a login or logout, a failure, a server event."""

import re

from keyway_agent import actions, pgaudit
from keyway_agent.actions import Action
from keyway_agent.classify import classify
from keyway_agent.draft import Draft, Phase
from keyway_agent.object_names import ObjectName
from keyway_agent.record import Record

_STATEMENT = re.compile(
    r"(?:duration: (?P<ms>[\d.]+) ms  )?"
    r"(?:statement|execute (?P<fetch>fetch from )?(?P<prepared>.*?)): (?P<sql>.*)",
    re.DOTALL,
)
_END_OF_STATEMENT = re.compile(r"duration: [\d.]+ ms(?:  (?:parse|bind) .*)?", re.DOTALL)
_FASTPATH = re.compile(r'fastpath function call: "(?P<function>.*)" \(OID \d+\)', re.DOTALL)
_REPLICATION = "received replication command: "
_SETTING = re.compile(r'parameter "(?P<name>[^"]*)" (?:changed to|removed from) .*', re.DOTALL)
_LOGGED_IN = re.compile(r"(?:replication )?connection authorized: .*", re.DOTALL)
_LOGGED_OUT = "disconnection: session time: "
_OF_THE_SERVER = {
    "database system is ready to accept connections": actions.SERVER_STARTED,
    "database system is ready to accept read-only connections": actions.SERVER_STARTED,
    "received smart shutdown request": actions.SERVER_SHUTDOWN,
    "received fast shutdown request": actions.SERVER_SHUTDOWN,
    "received immediate shutdown request": actions.SERVER_SHUTDOWN,
}
_BEFORE_A_SESSION = frozenset({"authentication", "startup", ""})
_SEVERITIES = frozenset({"LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"})


def interpret(record: Record) -> Draft | None:
    """Return the draft of a record, or None if it is not an audit event."""
    if record.failed:
        return _failure(record)
    if draft := pgaudit.read(record):
        return draft
    # RAISE LOG in a function can write any message, but PostgreSQL always logs a context with it.
    # Without this check, any user could forge statements, logins and server events.
    if record.severity != "LOG" or record.context:
        return None
    return _of_session(record) if record.user else _of_server(record)


def ends_statement(record: Record) -> bool:
    """Whether the record only shows that the session's previous statement succeeded."""
    return (
        record.severity == "LOG"
        and not record.context
        and _END_OF_STATEMENT.fullmatch(record.message) is not None
    )


def is_in_english(record: Record) -> bool:
    """Whether the log is in English. Records are recognized by their wording (``lc_messages``)."""
    return record.severity in _SEVERITIES or record.severity.startswith("DEBUG")


def _of_session(record: Record) -> Draft | None:
    message = record.message
    if match := _STATEMENT.fullmatch(message):
        return _statement(record, match)
    if _LOGGED_IN.fullmatch(message):
        return Draft(record, Phase.STARTED, actions.LOGIN_SUCCEEDED, notes={"message": message})
    if message.startswith(_LOGGED_OUT):
        return Draft(record, Phase.FINISHED, actions.LOGOUT, notes={"message": message})
    if message.startswith(_REPLICATION):
        return _draft(record, Phase.STARTED, message.removeprefix(_REPLICATION))
    if match := _FASTPATH.fullmatch(message):
        return Draft(
            record,
            Phase.STARTED,
            actions.EXECUTE,
            ObjectName(object=match["function"]),
            text=message,
            statement=message,
        )
    return None


def _statement(record: Record, match: re.Match[str]) -> Draft:
    draft = _draft(record, Phase.FINISHED if match["ms"] else Phase.STARTED, match["sql"])
    if match["ms"]:
        draft.notes["duration_ms"] = float(match["ms"])
    if match["fetch"]:
        draft.notes["fetch_from"] = match["prepared"]
    if record.detail:
        draft.notes["detail"] = record.detail
    return draft


def _of_server(record: Record) -> Draft | None:
    if action := _OF_THE_SERVER.get(record.message):
        return Draft(record, Phase.FINISHED, action, notes={"message": record.message})
    if match := _SETTING.fullmatch(record.message):
        audits = match["name"].startswith(("log_", "pgaudit."))
        action = actions.AUDIT_CHANGED if audits else actions.ALTER_SETTINGS
        return Draft(
            record,
            Phase.FINISHED,
            action,
            ObjectName(object=match["name"]),
            notes={"message": record.message},
        )
    return None


def _failure(record: Record) -> Draft | None:
    notes: dict[str, object] = {"error": record.message, "sqlstate": record.sqlstate}
    if record.detail:
        notes["detail"] = record.detail
    draft = None
    if record.query:
        draft = _draft(record, Phase.FAILED, record.query)
    elif record.user and record.severity == "FATAL" and record.command_tag in _BEFORE_A_SESSION:
        draft = Draft(record, Phase.FAILED, actions.LOGIN_FAILED)
    elif record.user and record.severity == "ERROR":
        draft = Draft(record, Phase.FAILED, _by_tag(record))
    if draft:
        draft.succeeded = False
        draft.notes |= notes
    return draft


def _draft(record: Record, phase: Phase, sql: str) -> Draft:
    """Classify the text, unless the server's command tag outweighs it.

    The client chooses a prepared statement's name, which precedes the text in the message. A name
    such as ``x: SELECT 1 --`` would otherwise disguise a DELETE as a SELECT.
    """
    found = classify(sql)
    action = actions.weightier(found.action, _by_tag(record))
    name = found.name if action is found.action else ObjectName()
    return Draft(record, phase, action, name, statement=sql, text=found.text)


def _by_tag(record: Record) -> Action:
    return actions.of_verb(record.command_tag.partition(" ")[0])
