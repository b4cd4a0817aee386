"""A wrapper that keeps secrets out of logs, errors and pickles."""

import hmac
from typing import Any, NoReturn


class Secret:
    """A key or token. Only `reveal()` returns it; `repr`, `str`, formatting and pickling do not."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret":
        return self  # dataclasses.asdict makes deep copies

    def __copy__(self) -> "Secret":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret cannot be pickled.")
