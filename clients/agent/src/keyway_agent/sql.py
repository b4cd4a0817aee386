"""A tokenizer for PostgreSQL: just enough to separate words, names, strings and comments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

# Possessive quantifiers throughout: without backtracking, matching is linear in a hostile text.
_TOKEN = re.compile(
    r"""
    (?P<space>\s++|--[^\n]*+)
    |(?P<comment>/\*)
    |(?P<string>
        [eE]'[^'\\]*+(?:(?:''|\\.)[^'\\]*+)*+(?:'|\\?\Z)
        |(?:[uU]&|[bBxXnN])?'[^']*+(?:''[^']*+)*+(?:'|\Z)
        |\$(?P<tag>(?:[^\W\d]\w*+)?)\$(?s:.*?)(?:\$(?P=tag)\$|\Z)
    )
    |(?P<quoted>(?:[uU]&)?"[^"]*+(?:""[^"]*+)*+(?:"|\Z))
    |(?P<word>[^\W\d][\w$]*+)
    |(?P<number>\d[\w.]*+)
    |(?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
HIDDEN = "'******'"
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Kind(Enum):
    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is upper-cased for a word, unquoted for a quoted name, and as written otherwise."""

    kind: Kind
    text: str
    start: int
    end: int
    depth: int

    @property
    def is_name(self) -> bool:
        return self.kind in {Kind.WORD, Kind.QUOTED}

    @property
    def name(self) -> str:
        """The name as PostgreSQL folds it: lower case unless quoted."""
        return self.text.lower() if self.kind is Kind.WORD else self.text


def tokenize(sql: str) -> Iterator[Token]:
    """Yield tokens, skipping space, comments and numbers. Never raises.

    `depth` counts open parentheses.
    """
    position = depth = 0
    while match := _TOKEN.match(sql, position):
        start, position = match.span()
        kind, text = match.lastgroup, match[0]
        if kind == "comment":
            position = _end_of_comment(sql, position)
        elif kind == "mark" and text in "()":
            depth = max(0, depth - 1) if text == ")" else depth
            yield Token(Kind.MARK, text, start, position, depth)
            depth += text == "("
        elif kind == "word":
            yield Token(Kind.WORD, text.upper(), start, position, depth)
        elif kind == "quoted":
            yield Token(Kind.QUOTED, _unquoted(text), start, position, depth)
        elif kind not in {"space", "number"}:
            yield Token(Kind.MARK if kind == "mark" else Kind.STRING, text, start, position, depth)


def _unquoted(text: str) -> str:
    return text[text.index('"') + 1 :].removesuffix('"').replace('""', '"')


def _end_of_comment(sql: str, position: int) -> int:
    """Return the end of the comment that starts at `position`."""
    # PostgreSQL nests comments. Ending at the first */ would let a text show the agent a harmless
    # statement and run another.
    open_comments = 1
    while open_comments and (edge := _COMMENT_EDGE.search(sql, position)):
        open_comments += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return len(sql) if open_comments else position


def statements(tokens: list[Token]) -> list[list[Token]]:
    """Split at semicolons outside parentheses."""
    found: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == ";" and token.kind is Kind.MARK and token.depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return [statement for statement in found if statement]


def without_passwords(sql: str, tokens: list[Token]) -> str:
    """Mask the strings after PASSWORD and CONNECTION, as SQL Server does.

    An audit trail must not become a store of credentials.
    """
    hidden: list[Token] = []
    follows_password = False
    for token in tokens:
        if token.kind is Kind.STRING and follows_password:
            # follows_password stays set: PostgreSQL joins adjacent strings ('a'\n'b') into one, so
            # masking only the first would leak the rest.
            hidden.append(token)
        else:
            follows_password = token.kind is Kind.WORD and token.text in {"PASSWORD", "CONNECTION"}
    pieces, end = [], 0
    for token in hidden:
        pieces += [sql[end : token.start], HIDDEN]
        end = token.end
    return "".join([*pieces, sql[end:]])
