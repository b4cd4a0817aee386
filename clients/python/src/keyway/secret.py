"""What must not be shown: shows itself to `reveal()` alone."""

import hmac
from typing import Any, NoReturn


class Secret:
    """A key or a token. Neither `repr`, `str`, formatting, logging nor pickling gives it away."""

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
        return self  # dataclasses.asdict copies

    def __copy__(self) -> "Secret":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled.")
