"""Readiness checks besides the database. Each app registers its own when it starts."""

from collections.abc import Callable

_needs: dict[str, Callable[[], bool]] = {}


def need(word: str, is_there: Callable[[], bool]) -> None:
    """Report `word` on `/readyz` while `is_there` returns False. It runs at most once a second."""
    _needs[word] = is_there


def missing_parts() -> list[str]:
    return [word for word, is_there in _needs.items() if not is_there()]
