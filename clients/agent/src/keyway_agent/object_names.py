"""Find the object that a statement names."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from keyway_agent import actions
from keyway_agent.actions import Action
from keyway_agent.sql import Kind, Token, tokenize


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object's name. A part the text does not name is ""."""

    database: str = ""
    schema: str = ""
    object: str = ""


# Keywords that may come between a command and the name of its object.
_KEYWORDS = """
OR REPLACE TEMP TEMPORARY UNLOGGED UNIQUE GLOBAL LOCAL RECURSIVE MATERIALIZED FOREIGN TABLE VIEW
INDEX CONCURRENTLY SEQUENCE SCHEMA DATABASE ROLE USER GROUP FUNCTION PROCEDURE AGGREGATE ROUTINE
TRIGGER EVENT CONSTRAINT TYPE DOMAIN EXTENSION POLICY RULE SERVER PUBLICATION SUBSCRIPTION
TABLESPACE LANGUAGE TRUSTED PROCEDURAL COLLATION CONVERSION CAST OPERATOR CLASS FAMILY STATISTICS
TRANSFORM ACCESS METHOD TEXT SEARCH CONFIGURATION DICTIONARY PARSER TEMPLATE MAPPING FOR DATA
WRAPPER IF NOT EXISTS ONLY ALL DEFAULT PRIVILEGES LARGE OBJECT OWNED BY ON IN FROM INTO COLUMN
PREPARE ANALYZE FULL FREEZE VERBOSE
"""
_BEFORE_A_NAME = frozenset(_KEYWORDS.split())
_NAMELESS = frozenset({"DO", "SET", "RESET"})
_MAINTENANCE = frozenset({"LOCK", "VACUUM", "ANALYZE", "CLUSTER", "REINDEX", "REFRESH"})
# Inside these functions, and after DISTINCT, FROM does not start a list of tables.
_FUNCTIONS_WITH_FROM = frozenset({"EXTRACT", "SUBSTRING", "TRIM", "OVERLAY", "POSITION"})


def qualified_name(text: str) -> ObjectName:
    """Parse a name as pgAudit and COPY write it: ``schema."Object"``."""
    return _name_at(list(tokenize(text)), 0) or ObjectName()


def object_of(verb: str, action: Action, tokens: list[Token]) -> ObjectName | None:
    if action is actions.SELECT and verb not in {"TABLE", "COPY"}:
        return first_table(tokens)
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


def _named_after(tokens: list[Token]) -> ObjectName | None:
    """Return the first name after the command and its keywords.

    If there is none, the last keyword is the name: a table may be called ``data``.
    """
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


def first_table(tokens: list[Token], ignoring: AbstractSet[str] = frozenset()) -> ObjectName | None:
    """Return the first table after FROM, preferring the outermost query."""
    for i in sorted(_from_clauses(tokens), key=lambda i: tokens[i].depth):
        at = i + 2 if tokens[i + 1].text in {"ONLY", "LATERAL"} else i + 1
        name = _name_at(tokens, at)
        if name and (name.schema or name.object not in ignoring):
            return name
    return None


def _from_clauses(tokens: list[Token]) -> list[int]:
    """Return the indices of each FROM that starts a list of tables.

    A single pass: the text may be hostile, arbitrarily long and deeply nested.
    """
    opener: dict[int, str] = {}
    found = []
    for i, token in enumerate(tokens[:-1]):
        if token.text == "(" and token.kind is Kind.MARK:
            opener[token.depth + 1] = tokens[i - 1].text if i else ""
        elif token.text == "FROM" and token.kind is Kind.WORD and tokens[i - 1].text != "DISTINCT":
            found.append((i, opener.get(token.depth)))
    return [i for i, function in found if function not in _FUNCTIONS_WITH_FROM]


def _name_at(tokens: list[Token], i: int) -> ObjectName | None:
    parts: list[str] = []
    while i < len(tokens) and tokens[i].is_name:
        parts.append(tokens[i].name)
        if i + 1 >= len(tokens) or tokens[i + 1].text != ".":
            break
        i += 2
    if not parts:
        return None
    database, schema, name = ["", "", *parts][-3:]
    return ObjectName(database, schema, name)
