"""The SDK against a real Keyway."""

import uuid
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import keyway as sdk
import pytest

from tests.clients.python.conftest import Connect
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server


@pytest.fixture
def reader(connect: Connect, keyway: KeywayServer) -> Any:
    return connect(keyway.url, api_key=keyway.key(kind="public", environment="live")["secret"])


@pytest.fixture
def agent(connect: Connect, keyway: KeywayServer) -> Any:
    return connect(keyway.url, api_key=keyway.key(kind="agent", environment="live")["secret"])


def an_event(**facts: Any) -> sdk.Event:
    return sdk.Event(
        event_id=str(uuid.uuid4()),
        event_time=datetime.now(UTC),
        host="sdk-host",
        action_id="SL",
        succeeded=True,
        **facts,
    )


def test_whoami(reader: Any, keyway: KeywayServer) -> None:
    key, me = keyway.key(kind="public", environment="live"), reader.whoami()
    assert (me.key_id, me.owner.id, me.scopes) == (key["id"], key["owner"], tuple(key["scopes"]))
    assert me.organization.slug == "acme"
    assert {limit.limit for limit in me.limits} >= {"key"}


def test_activity_is_iterated_over_pages(reader: Any) -> None:
    until = datetime.now(UTC) - timedelta(hours=1)
    once = list(reader.activity.list(until=until, limit=1000))
    again = list(islice(reader.activity.list(until=until, limit=7), 23))
    assert len(once) > 1000
    assert [event.id for event in again] == [event.id for event in once[:23]]
    assert len({event.id for event in once}) == len(once)
    assert all(earlier.event_time <= later.event_time for later, earlier in pairwise(once))


def test_filters_are_sent(reader: Any) -> None:
    failed = list(islice(reader.activity.list(success=False), 5))
    assert failed
    assert not any(event.succeeded for event in failed)
    assert list(reader.activity.list(actor="nobody & nothing=true")) == []
    with pytest.raises(sdk.InvalidRequest) as refused:
        list(reader.activity.list(limit=5000))
    assert refused.value.code == "invalid_parameter"


def test_resent_events_are_stored_once(agent: Any, reader: Any) -> None:
    event = an_event(object_name=f"t{uuid.uuid4().hex}", statement="SELECT 'ä'")
    assert agent.agent.send_events([event]).accepted == 1
    outcome = agent.agent.send_events([event, {**asdict(event), "event_id": "nonsense"}])
    assert (outcome.accepted, outcome.duplicate, [each.index for each in outcome.rejected]) == (
        0,
        1,
        [1],
    )
    [stored] = reader.activity.list(object=event.object_name)
    sent = {
        name: value for name, value in asdict(stored).items() if name not in ("id", "received_at")
    }
    assert sent == asdict(replace(event, event_time=stored.event_time))


def test_batch_with_no_accepted_event_is_an_error(agent: Any) -> None:
    with pytest.raises(sdk.BatchRefused) as refused:
        agent.agent.send_events([{"event_id": "nonsense"}])
    assert refused.value.rejected[0]["index"] == 0


def test_unchanged_configuration_is_none(agent: Any) -> None:
    configuration = agent.agent.config()
    assert configuration.version >= 1
    assert agent.agent.config(configuration.etag) is None
    assert agent.agent.config('"0"') == configuration


def test_heartbeat_is_answered(agent: Any) -> None:
    answer = agent.agent.heartbeat("sdk-host", "1.0", configuration_version=1, queue_depth=3)
    assert answer.heartbeat_interval_seconds > 0
    assert answer.rotating_out is False


def test_key_of_the_wrong_kind_is_denied(agent: Any, reader: Any) -> None:
    for call in (lambda: list(agent.activity.list()), reader.agent.config):
        with pytest.raises(sdk.PermissionDenied) as refused:
            call()
        assert refused.value.code in {"wrong_key_type", "insufficient_scope"}
        assert refused.value.request_id
