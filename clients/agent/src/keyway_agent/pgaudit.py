"""Parse pgAudit records: ``AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.t,"select …",<none>``."""

import re

from keyway_agent import actions
from keyway_agent.actions import Action
from keyway_agent.classify import classify
from keyway_agent.draft import Draft, Phase
from keyway_agent.object_names import ObjectName, qualified_name
from keyway_agent.record import Record

_MARK = "AUDIT: "
_TYPES = ("SESSION", "OBJECT")
# pgAudit quotes a field that contains a comma, a quote or a line break.
_FIELD = re.compile(r'(?:"((?:[^"]|"")*+)"|([^,]*+))(,|\Z)', re.DOTALL)
_EMPTY_FIELDS = frozenset({"", "<none>", "<not logged>", "<previously logged>"})
# Commands that stand for several actions.
_AMBIGUOUS = frozenset({"ALTER", "GRANT", "REVOKE", "SET", "RESET"})
# How the context of a statement inside a function begins. That of a RAISE begins with the name of
# its PL/pgSQL function, so a function cannot forge an audit record.
_INNER = ("SQL ", "PL/pgSQL assignment ")


def read(record: Record) -> Draft | None:
    """Return a pgAudit record's draft; None for other records and ones that a RAISE forged."""
    if not record.message.startswith(_MARK) or (
        record.context and not record.context.startswith(_INNER)
    ):
        return None
    fields = _fields(record.message.removeprefix(_MARK))
    if len(fields) < 8 or fields[0] not in _TYPES:
        return None
    (
        kind,
        statement_id,
        substatement_id,
        group,
        command,
        object_type,
        object_name,
        statement,
        *rest,
    ) = fields
    statement = "" if statement in _EMPTY_FIELDS else statement
    notes: dict[str, object] = {"pgaudit": kind, "class": group, "command": command}
    notes |= {"statement_id": statement_id, "substatement_id": substatement_id}
    more = {"object_type": object_type} | dict(zip(("parameters", "rows"), rest, strict=False))
    notes |= {name: value for name, value in more.items() if value not in _EMPTY_FIELDS}
    name = qualified_name(object_name) if object_name else ObjectName()
    draft = Draft(
        record, Phase.STARTED, _action(command, group), name, notes=notes, audit_id=statement_id
    )
    if statement:
        _add_statement(draft, command, statement)
    return draft


def _action(command: str, group: str) -> Action:
    if command == "COPY":
        return actions.INSERT if group == "WRITE" else actions.SELECT
    return actions.of_verb(command.partition(" ")[0])


def _add_statement(draft: Draft, command: str, statement: str) -> None:
    """Refine pgAudit's command and object by the text, for example ALTER to CHANGE PASSWORD."""
    found = classify(statement)
    draft.statement, draft.text = statement, found.text
    if command.partition(" ")[0] in _AMBIGUOUS and found.action is not actions.UNKNOWN:
        draft.action = found.action
    if not draft.name.object and found.action is draft.action:
        draft.name = found.name


def _fields(text: str) -> list[str]:
    found, position = [], 0
    while match := _FIELD.match(text, position):
        quoted, plain, end = match.groups()
        found.append(plain if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if not end:
            break
    return found
