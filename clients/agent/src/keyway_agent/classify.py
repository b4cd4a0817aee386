"""Classify SQL: the action of a statement and the object it names."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from keyway_agent import actions
from keyway_agent.actions import Action
from keyway_agent.object_names import ObjectName, first_table, object_of
from keyway_agent.sql import Kind, Token, statements, tokenize, without_passwords


@dataclass(frozen=True, slots=True)
class Classification:
    """`text` is the statement without its passwords."""

    action: Action
    name: ObjectName
    text: str


# Longest text that is cached. Applications repeat short statements; caching long ones costs memory.
_SHORT = 1000
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_COMMANDS = actions.BY_VERB.keys() | {"WITH"}


def classify(sql: str) -> Classification:
    """Classify a text of one or more statements by its heaviest action and that action's object."""
    return _classify_cached(sql) if len(sql) <= _SHORT else _classify(sql)


@lru_cache(maxsize=2048)
def _classify_cached(sql: str) -> Classification:
    return _classify(sql)


def _classify(sql: str) -> Classification:
    tokens = list(tokenize(sql))
    action, name = actions.UNKNOWN, ObjectName()
    for statement in statements(tokens):
        one_action, one_name = _one(statement)
        if one_action.weight > action.weight:
            action, name = one_action, one_name
    return Classification(action, name, without_passwords(sql, tokens))


def _one(tokens: list[Token]) -> tuple[Action, ObjectName]:
    tokens = _inner(tokens)
    if not tokens or tokens[0].kind is not Kind.WORD:
        return actions.UNKNOWN, ObjectName()
    verb = tokens[0].text
    if verb == "WITH":
        return _with(tokens)
    action = _refined(verb, tokens)
    if action is actions.UNKNOWN or (
        verb == "ALTER" and action in {actions.ALTER_SETTINGS, actions.AUDIT_CHANGED}
    ):
        return action, ObjectName()
    return action, object_of(verb, action, tokens) or ObjectName()


def _inner(tokens: list[Token]) -> list[Token]:
    """Unwrap a statement that is executed from its parentheses and EXPLAIN ANALYZE."""
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
    """Choose the action of a command that can mean several."""
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
    """``SET ROLE`` impersonates; ``SET log_…`` and ``SET pgaudit.…`` change what is audited."""
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


def _with(tokens: list[Token]) -> tuple[Action, ObjectName]:
    """Classify a query with CTEs by its heaviest part: a SELECT's CTE may contain a DELETE."""
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
        return actions.UNKNOWN, ObjectName()
    weightiest = max(parts, key=lambda i: actions.of_verb(tokens[i].text).weight)
    action = actions.of_verb(tokens[weightiest].text)
    if action is actions.SELECT:
        return action, first_table(tokens, ignoring=_cte_names(tokens)) or ObjectName()
    return action, object_of(tokens[weightiest].text, action, tokens[weightiest:]) or ObjectName()


def _cte_names(tokens: list[Token]) -> set[str]:
    """Return the names before ``AS (`` and ``(columns) AS (``. A few extra names do no harm."""
    return {
        token.name
        for token, after in pairwise(tokens)
        if token.is_name and after.text in {"AS", "("}
    }
