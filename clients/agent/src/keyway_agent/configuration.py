"""What the server has this organization's agents do."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from keyway_agent.event import Event


@dataclass(frozen=True, slots=True)
class Configuration:
    """`version` is None until the server has been asked. No `actions` and no `include`: everything."""

    version: int | None = None
    heartbeat_interval_seconds: int = 60
    batch_size: int = 1000
    actions: frozenset[str] = frozenset()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def collects(self, event: Event) -> bool:
        """Whether the event is to be sent. Object patterns judge only events that name an object."""
        if self.actions and event["action_id"] not in self.actions:
            return False
        if not event["object_name"]:
            return True
        name = tuple(
            str(event[part]).lower() for part in ("database_name", "schema_name", "object_name")
        )
        if self.include and not any(
            _matches(pattern, name, unknown=True) for pattern in self.include
        ):
            return False
        return not any(_matches(pattern, name, unknown=False) for pattern in self.exclude)


def read_configuration(content: dict[str, Any]) -> Configuration:
    """Raises KeyError, TypeError, ValueError for what are no orders."""
    return Configuration(
        version=int(content["version"]),
        heartbeat_interval_seconds=min(3600, max(1, int(content["heartbeat_interval_seconds"]))),
        batch_size=min(10_000, max(1, int(content["batch_size"]))),
        actions=frozenset(_texts(content["actions"])),
        include=_texts(content["include_objects"]),
        exclude=_texts(content["exclude_objects"]),
    )


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("not a list of texts")
    return tuple(value)


def _matches(pattern: str, name: tuple[str, ...], *, unknown: bool) -> bool:
    """Match database.schema.object, in any case.

    A statement need not say the schema. Then a pattern that asks for one matches as `unknown` says: an audit
    rather sends too much than too little.
    """
    parts = pattern.lower().split(".")
    if len(parts) != 3:
        return fnmatchcase(".".join(name), pattern.lower())
    return all(
        part == "*" or (unknown if not text else fnmatchcase(text, part))
        for text, part in zip(name, parts, strict=True)
    )
