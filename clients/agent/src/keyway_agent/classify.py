"""What a statement does, and to what: its action, and the object that it names, for plain statements."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from keyway_agent import actions
from keyway_agent.actions import Action
from keyway_agent.sql import Kind, Token, statements, tokenize, without_passwords


@dataclass(frozen=True, slots=True)
class Name:
    """An object's name as far as the text tells; "" where it does not."""

    database: str = ""
    schema: str = ""
    object: str = ""


@dataclass(frozen=True, slots=True)
class Classification:
    """`text` is the statement without the passwords in it."""

    action: Action
    name: Name
    text: str


# Applications repeat themselves; what is longer than this is rather not kept.
_SHORT = 1000
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
# What may stand between a command and the name of its object.
_KEYWORDS = """
OR REPLACE TEMP TEMPORARY UNLOGGED UNIQUE GLOBAL LOCAL RECURSIVE MATERIALIZED FOREIGN TABLE VIEW INDEX CONCURRENTLY SEQUENCE
SCHEMA DATABASE ROLE USER GROUP FUNCTION PROCEDURE AGGREGATE ROUTINE TRIGGER EVENT CONSTRAINT TYPE DOMAIN EXTENSION POLICY RULE
SERVER PUBLICATION SUBSCRIPTION TABLESPACE LANGUAGE TRUSTED PROCEDURAL COLLATION CONVERSION CAST OPERATOR CLASS FAMILY
STATISTICS TRANSFORM ACCESS METHOD TEXT SEARCH CONFIGURATION DICTIONARY PARSER TEMPLATE MAPPING FOR DATA WRAPPER IF NOT EXISTS
ONLY ALL DEFAULT PRIVILEGES LARGE OBJECT OWNED BY ON IN FROM INTO COLUMN PREPARE ANALYZE FULL FREEZE VERBOSE
"""
_BEFORE_A_NAME = frozenset(_KEYWORDS.split())
_COMMANDS = actions.BY_VERB.keys() | {"WITH"}
_NAMELESS = frozenset({"DO", "SET", "RESET"})
_MAINTENANCE = frozenset({"LOCK", "VACUUM", "ANALYZE", "CLUSTER", "REINDEX", "REFRESH"})
# FROM means something else inside of these, and after DISTINCT.
_FUNCTIONS_WITH_FROM = frozenset({"EXTRACT", "SUBSTRING", "TRIM", "OVERLAY", "POSITION"})


def classify(sql: str) -> Classification:
    """Read a text of one or more statements. The weightiest action names it, with the object of that statement."""
    return _classify_cached(sql) if len(sql) <= _SHORT else _classify(sql)


@lru_cache(maxsize=2048)
def _classify_cached(sql: str) -> Classification:
    return _classify(sql)


def _classify(sql: str) -> Classification:
    tokens = list(tokenize(sql))
    action, name = actions.UNKNOWN, Name()
    for statement in statements(tokens):
        one_action, one_name = _one(statement)
        if one_action.weight > action.weight:
            action, name = one_action, one_name
    return Classification(action, name, without_passwords(sql, tokens))


def qualified_name(text: str) -> Name:
    """Read a name as pgAudit and COPY write it: ``schema."Object"``."""
    return _name_at(list(tokenize(text)), 0) or Name()


def _one(tokens: list[Token]) -> tuple[Action, Name]:
    tokens = _inner(tokens)
    if not tokens or tokens[0].kind is not Kind.WORD:
        return actions.UNKNOWN, Name()
    verb = tokens[0].text
    if verb == "WITH":
        return _with(tokens)
    action = _refined(verb, tokens)
    if action is actions.UNKNOWN or (
        verb == "ALTER" and action in {actions.ALTER_SETTINGS, actions.AUDIT_CHANGED}
    ):
        return action, Name()
    return action, _object(verb, action, tokens) or Name()


def _inner(tokens: list[Token]) -> list[Token]:
    """Leave out what wraps a statement that is executed: parentheses, EXPLAIN ANALYZE."""
    tokens = _without_parentheses(tokens)
    if not tokens or tokens[0].text != "EXPLAIN":
        return tokens
    explained = _from_first(tokens[1:], _COMMANDS)
    options = {token.text for token in tokens[: len(tokens) - len(explained)]}
    return _without_parentheses(explained) if options & {"ANALYZE", "ANALYSE"} else tokens


def _without_parentheses(tokens: list[Token]) -> list[Token]:
    at = next(
        (i for i, token in enumerate(tokens) if token.kind is not Kind.MARK or token.text != "("),
        len(tokens),
    )
    return tokens[at:]


def _from_first(tokens: list[Token], words: AbstractSet[str]) -> list[Token]:
    at = next(
        (i for i, token in enumerate(tokens) if token.kind is Kind.WORD and token.text in words),
        len(tokens),
    )
    return tokens[at:]


def _refined(verb: str, tokens: list[Token]) -> Action:
    """Tell apart what one command can do."""
    words = [
        token.text for token in tokens if token.kind is Kind.WORD and token.depth == tokens[0].depth
    ]
    action = actions.of_verb(verb)
    match verb:
        case "GRANT" | "REVOKE" if "ON" not in words:
            action = actions.ADD_MEMBER if verb == "GRANT" else actions.DROP_MEMBER
        case "ALTER":
            action = _altered(words)
        case "SET" | "RESET":
            action = _set(tokens)
        case "COPY":
            action = actions.INSERT if "FROM" in words else actions.SELECT
        case "ROLLBACK" if "TO" in words:
            action = actions.TRANSACTION_SAVEPOINT
    return action


def _altered(words: list[str]) -> Action:
    if words[1:2] == ["SYSTEM"]:  # SET or RESET, then the setting
        return actions.AUDIT_CHANGED if _is_about_auditing(words[3:4]) else actions.ALTER_SETTINGS
    if words[1:2] in (["ROLE"], ["USER"]) and "PASSWORD" in words:
        return actions.CHANGE_PASSWORD
    if ("OWNER", "TO") in pairwise(words):
        return actions.TAKE_OWNERSHIP
    return actions.ALTER


def _set(tokens: list[Token]) -> Action:
    """``SET ROLE`` puts on another identity; ``SET log_…`` and ``SET pgaudit.…`` change what is told of the session."""
    names = [
        token.text.upper()
        for token in tokens[1:4]
        if token.is_name and token.text not in {"SESSION", "LOCAL"}
    ]
    if names[:1] in (["ROLE"], ["AUTHORIZATION"]):
        return actions.IMPERSONATE
    return (
        actions.AUDIT_CHANGED if _is_about_auditing(names[:1]) else actions.of_verb(tokens[0].text)
    )


def _is_about_auditing(names: list[str]) -> bool:
    return any(name.startswith(("LOG_", "PGAUDIT")) for name in names)


def _with(tokens: list[Token]) -> tuple[Action, Name]:
    """A query with CTEs is what its weightiest part is: a DELETE may hide in a CTE of a SELECT."""
    depth = tokens[0].depth
    parts = [
        i
        for i, token in enumerate(tokens)
        if token.kind is Kind.WORD
        and token.text in _WRITES | {"SELECT", "VALUES", "TABLE"}
        and (
            token.depth == depth
            or (tokens[i - 1].text == "(" and tokens[i - 2].text in {"AS", "MATERIALIZED"})
        )
    ]
    outer = next((i for i in parts if tokens[i].depth == depth), None)
    parts = [i for i in parts if tokens[i].depth > depth or i == outer]
    if not parts:
        return actions.UNKNOWN, Name()
    weightiest = max(parts, key=lambda i: actions.of_verb(tokens[i].text).weight)
    action = actions.of_verb(tokens[weightiest].text)
    if action is actions.SELECT:
        return action, _selected(tokens, ignoring=_cte_names(tokens)) or Name()
    return action, _object(tokens[weightiest].text, action, tokens[weightiest:]) or Name()


def _cte_names(tokens: list[Token]) -> set[str]:
    """The names before ``AS (`` and before ``(columns) AS (``; a few too many do no harm."""
    return {
        token.name
        for token, after in pairwise(tokens)
        if token.is_name and after.text in {"AS", "("}
    }


def _object(verb: str, action: Action, tokens: list[Token]) -> Name | None:
    if action is actions.SELECT and verb not in {"TABLE", "COPY"}:
        return _selected(tokens)
    if action in {actions.GRANT, actions.REVOKE}:
        at = next(
            (
                i
                for i, token in enumerate(tokens)
                if token.text == "ON" and token.depth == tokens[0].depth
            ),
            None,
        )
        return None if at is None else _named_after(tokens[at:])
    if verb in _NAMELESS or (
        action.weight <= actions.SHOW_PLAN.weight and verb not in _MAINTENANCE
    ):
        return None
    return _named_after(tokens)


def _named_after(tokens: list[Token]) -> Name | None:
    """The first name after the command and its keywords. A table may be called ``data``: the last keyword will do."""
    for i, token in enumerate(tokens[1:], 1):
        if token.kind is Kind.QUOTED or (
            token.kind is Kind.WORD and token.text not in _BEFORE_A_NAME
        ):
            if token.text in {"AS", "CASCADE", "RESTRICT", "TO", "SET"} and i > 1:
                return _name_at(tokens, i - 1)
            return _name_at(tokens, i)
        if token.kind is not Kind.WORD:
            return _name_at(tokens, i - 1) if i > 1 else None
    return _name_at(tokens, len(tokens) - 1) if len(tokens) > 1 else None


def _selected(tokens: list[Token], ignoring: AbstractSet[str] = frozenset()) -> Name | None:
    """The first table after FROM, the outermost query's before those of inner ones."""
    for i in sorted(_from_clauses(tokens), key=lambda i: tokens[i].depth):
        at = i + 2 if tokens[i + 1].text in {"ONLY", "LATERAL"} else i + 1
        name = _name_at(tokens, at)
        if name and (name.schema or name.object not in ignoring):
            return name
    return None


def _from_clauses(tokens: list[Token]) -> list[int]:
    """Where FROM begins a list of tables. One pass: texts are as long and as nested as their authors like."""
    opener: dict[int, str] = {}
    found = []
    for i, token in enumerate(tokens[:-1]):
        if token.text == "(" and token.kind is Kind.MARK:
            opener[token.depth + 1] = tokens[i - 1].text if i else ""
        elif token.text == "FROM" and token.kind is Kind.WORD and tokens[i - 1].text != "DISTINCT":
            found.append((i, opener.get(token.depth)))
    return [i for i, function in found if function not in _FUNCTIONS_WITH_FROM]


def _name_at(tokens: list[Token], i: int) -> Name | None:
    parts: list[str] = []
    while i < len(tokens) and tokens[i].is_name:
        parts.append(tokens[i].name)
        if i + 1 >= len(tokens) or tokens[i + 1].text != ".":
            break
        i += 2
    if not parts:
        return None
    database, schema, name = ["", "", *parts][-3:]
    return Name(database, schema, name)
