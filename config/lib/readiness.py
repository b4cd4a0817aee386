"""What a process needs besides its database. Each app registers its own needs when it starts."""

from collections.abc import Callable

_needs: dict[str, Callable[[], bool]] = {}


def need(word: str, is_there: Callable[[], bool]) -> None:
    """Have `/readyz` say `word` while `is_there` is false. It is asked at most once a second."""
    _needs[word] = is_there


def missing_parts() -> list[str]:
    return [word for word, is_there in _needs.items() if not is_there()]
