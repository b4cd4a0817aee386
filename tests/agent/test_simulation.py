from collections import Counter

from keyway_agent.simulation import BACKLOG_SECONDS, SimulatedServer


def test_simulated_server_keeps_its_rate() -> None:
    seconds = [0.0]
    source = SimulatedServer(events_per_second=10, host="sql1", clock=lambda: seconds[0], seed=7)
    first = source.read()
    assert len(first) == 10 * BACKLOG_SECONDS
    assert source.is_exhausted()
    assert source.read() == []
    seconds[0] = 2.5
    assert len(source.read()) == 25
    events = [entry.event for entry in first if entry.event]
    assert len({event["event_id"] for event in events}) == len(events)
    assert {"SL", "IN", "UP", "LGIS"} < set(Counter(event["action_id"] for event in events))
    assert {event["succeeded"] for event in events} == {True, False}
    assert sorted(str(event["event_time"]) for event in events) == [
        event["event_time"] for event in events
    ]
