"""What the data of an entry says to a reader: labels, titles and times instead of stored values.

Apps register the wording of the names that they record. A name without one gets its own words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Titles = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Wording:
    """`empty` stands for a value of None, "" or []. `titles` words a text or a list of texts."""

    label: str
    empty: str = "none"
    titles: Titles | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A value for a page: one of a time, texts, a change or lines. All None means empty."""

    empty: str
    at: datetime | None = None
    text: str | None = None
    change: "tuple[Shown, Shown] | None" = None
    lines: "list[Line] | None" = None


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    value: Shown


_known: dict[str, Wording] = {}


def register(**wordings: Wording) -> None:
    """Register the wording of names in `data`."""
    _known.update(wordings)


def describe(data: Mapping[str, Any]) -> list[Line]:
    return list(_lines(data))


def _lines(data: Mapping[str, Any]) -> Iterator[Line]:
    for name, value in data.items():
        wording = _known.get(name) or Wording(name.replace("_", " ").capitalize())
        yield Line(wording.label, _shown(name, value, wording))


def _shown(name: str, value: Any, wording: Wording) -> Shown:
    if isinstance(value, Mapping):
        if value.keys() == {"from", "to"}:
            before, after = (_shown(name, value[side], wording) for side in ("from", "to"))
            return Shown(wording.empty, change=(before, after))
        return Shown(wording.empty, lines=list(_lines(value)) or None)
    if isinstance(value, bool):
        return Shown(wording.empty, text="yes" if value else "no")
    if value is None or value in ("", []):
        return Shown(wording.empty)
    if isinstance(value, str) and name.endswith("_at") and (at := _moment(value)):
        return Shown(wording.empty, at=at)
    texts = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    return Shown(wording.empty, text=", ".join(wording.titles(texts) if wording.titles else texts))


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
