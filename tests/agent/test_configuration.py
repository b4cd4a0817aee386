from collections.abc import Iterable, Mapping

import pytest
from keyway_agent.configuration import Configuration, read_configuration
from keyway_agent.event import Event

EVENT: Event = {
    "action_id": "SL",
    "database_name": "Shop",
    "schema_name": "sales",
    "object_name": "orders",
}
CONTENT: dict[str, object] = {
    "version": 3,
    "heartbeat_interval_seconds": 60,
    "batch_size": 1000,
    "actions": [],
    "include_objects": [],
    "exclude_objects": [],
}


def collected(
    event: Mapping[str, str | bool] | None = None,
    *,
    actions: Iterable[str] = (),
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> bool:
    configuration = Configuration(
        actions=frozenset(actions), include=tuple(include), exclude=tuple(exclude)
    )
    return configuration.collects(EVENT | dict(event or {}))


def test_default_configuration_collects_everything() -> None:
    assert collected()


def test_only_configured_actions_are_collected() -> None:
    assert collected(actions=["SL", "UP"])
    assert not collected({"action_id": "DL"}, actions=["SL", "UP"])


@pytest.mark.parametrize(
    "pattern", ["shop.sales.orders", "*.*.ord*", "SHOP.*.*", "*.sales.*", "shop.*", "*orders"]
)
def test_object_pattern_includes_and_excludes(pattern: str) -> None:
    assert collected(include=[pattern])
    assert not collected(
        {"object_name": "x", "database_name": "y", "schema_name": "z"}, include=[pattern]
    )
    assert not collected(exclude=[pattern])
    assert collected(
        {"object_name": "x", "database_name": "y", "schema_name": "z"}, exclude=[pattern]
    )


def test_exclusion_wins_over_inclusion() -> None:
    assert not collected(include=["shop.*.*"], exclude=["*.*.orders"])


def test_event_without_an_object_passes_object_patterns() -> None:
    login = {"object_name": "", "schema_name": "", "action_id": "LGIS"}
    assert collected(login, include=["shop.sales.*"], exclude=["*.*.*"])


def test_unknown_schema_is_included_and_not_excluded() -> None:
    bare = {"schema_name": ""}
    assert collected(bare, include=["shop.sales.orders"])
    assert collected(bare, exclude=["shop.sales.orders"])
    assert not collected(bare, exclude=["shop.*.orders"])
    assert not collected(bare, include=["shop.sales.items"])


def test_batch_size_is_clamped_to_the_servers_limits() -> None:
    assert read_configuration(CONTENT | {"batch_size": 50_000}).batch_size == 10_000
    assert read_configuration(CONTENT | {"batch_size": 0}).batch_size == 1


@pytest.mark.parametrize(
    "flaw", [{"version": None}, {"actions": "SL"}, {"include_objects": [1]}, {"batch_size": "many"}]
)
def test_invalid_configuration_is_refused(flaw: dict[str, object]) -> None:
    assert read_configuration(CONTENT)
    with pytest.raises((TypeError, ValueError)):
        read_configuration(CONTENT | flaw)
