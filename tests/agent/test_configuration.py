import pytest
from keyway_agent.configuration import Configuration, read_configuration

EVENT = {
    "action_id": "SL",
    "database_name": "Shop",
    "schema_name": "sales",
    "object_name": "orders",
}
CONTENT = {"version": 3, "heartbeat_interval_seconds": 60, "batch_size": 1000}
CONTENT |= {"actions": [], "include_objects": [], "exclude_objects": []}


def wanted(event: dict[str, str] | None = None, **orders: object) -> bool:
    lists = {name: tuple(value) for name, value in orders.items()}  # type: ignore[call-overload]
    return Configuration(**lists).collects(EVENT | (event or {}))  # type: ignore[arg-type]


def test_without_orders_everything_is_wanted() -> None:
    assert wanted()


def test_only_the_actions_ordered_are_wanted() -> None:
    assert wanted(actions=["SL", "UP"])
    assert not wanted({"action_id": "DL"}, actions=["SL", "UP"])


@pytest.mark.parametrize(
    "pattern", ["shop.sales.orders", "*.*.ord*", "SHOP.*.*", "*.sales.*", "shop.*", "*orders"]
)
def test_object_pattern_includes_and_excludes(pattern: str) -> None:
    assert wanted(include=[pattern])
    assert not wanted(
        {"object_name": "x", "database_name": "y", "schema_name": "z"}, include=[pattern]
    )
    assert not wanted(exclude=[pattern])
    assert wanted({"object_name": "x", "database_name": "y", "schema_name": "z"}, exclude=[pattern])


def test_exclusion_wins_over_inclusion() -> None:
    assert not wanted(include=["shop.*.*"], exclude=["*.*.orders"])


def test_event_that_names_no_object_passes_the_object_patterns() -> None:
    login = {"object_name": "", "schema_name": "", "action_id": "LGIS"}
    assert wanted(login, include=["shop.sales.*"], exclude=["*.*.*"])


def test_unknown_schema_is_rather_sent_than_left_out() -> None:
    bare = {"schema_name": ""}
    assert wanted(bare, include=["shop.sales.orders"])
    assert wanted(bare, exclude=["shop.sales.orders"])
    assert not wanted(bare, exclude=["shop.*.orders"])
    assert not wanted(bare, include=["shop.sales.items"])


def test_orders_are_read_and_kept_within_what_the_server_takes() -> None:
    assert read_configuration(CONTENT | {"batch_size": 50_000}).batch_size == 10_000
    assert read_configuration(CONTENT | {"batch_size": 0}).batch_size == 1


@pytest.mark.parametrize(
    "flaw", [{"version": None}, {"actions": "SL"}, {"include_objects": [1]}, {"batch_size": "many"}]
)
def test_what_is_no_configuration_is_refused(flaw: dict[str, object]) -> None:
    assert read_configuration(CONTENT)
    with pytest.raises((TypeError, ValueError)):
        read_configuration(CONTENT | flaw)
