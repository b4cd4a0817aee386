"""The collection settings an administrator set for the organization's agents."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from keyway_agent.event import Event


@dataclass(frozen=True, slots=True)
class Configuration:
    """`version` is None until one was fetched. Empty `actions` or `include` collect everything."""

    version: int | None = None
    heartbeat_interval_seconds: int = 60
    batch_size: int = 1000
    actions: frozenset[str] = frozenset()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def collects(self, event: Event) -> bool:
        """Whether to send the event. Object patterns apply only to events that name an object."""
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
    """Parse the server's JSON. Raises KeyError, TypeError or ValueError if it is invalid."""
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
        raise TypeError("not a list of strings")
    return tuple(value)


def _matches(pattern: str, name: tuple[str, ...], *, unknown: bool) -> bool:
    """Match ``database.schema.object``, ignoring case.

    A statement may omit the schema. A pattern that requires one then yields `unknown`: callers
    include and do not exclude, because an audit must rather send too much than too little.
    """
    parts = pattern.lower().split(".")
    if len(parts) != 3:
        return fnmatchcase(".".join(name), pattern.lower())
    return all(
        part == "*" or (unknown if not text else fnmatchcase(text, part))
        for text, part in zip(name, parts, strict=True)
    )
