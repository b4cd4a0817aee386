"""Rotations carry on when usage is drained: first use, lapse, last host, retired secrets."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from apikeys import services as keys
from apikeys.authority import Authority
from apikeys.models import Key, RetiredUse
from apikeys.services import Issued, Overlap, Rotated, alarms, settle
from apikeys.services.alarms import RetiredSecretAlarm
from apikeys.services.hosts import host_progress
from apikeys.stored_secret import Secret, SecretState
from apikeys.usage import drain as drains
from apikeys.usage import duties
from apikeys.usage.drain import Drainer
from apikeys.usage.models import EPOCH
from apikeys.usage.spool import append
from apikeys.usage.spool.lines import UseLine
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from audit.trail import entries
from config.lib.errors import TrailUnavailable
from config.lib.worker.models import Duty
from tenants.changes import leases
from tenants.models import Agent
from tenants.roles import PERMISSIONS, Role
from tests.apikeys.usage.conftest import Drain
from tests.apikeys.usage.drained import Write
from tests.conftest import SYSTEM, api, client_of

pytestmark = pytest.mark.django_db
OWNER = Authority.of_person(PERMISSIONS[Role.OWNER])
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Clock = Callable[[timedelta], datetime]


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop Django's clock, and move it on by hand."""
    now = timezone.now()

    def moved(by: timedelta) -> datetime:
        nonlocal now
        now += by
        return now

    monkeypatch.setattr(timezone, "now", lambda: now)
    monkeypatch.setattr(leases, "_sleep", lambda until: None)
    return moved


@pytest.fixture
def drain_without_settling(spool: Path, monkeypatch: pytest.MonkeyPatch) -> Drain:
    """Move the lines, and die before anything else."""

    def die(at: datetime) -> bool:
        raise SystemExit

    def drained() -> int:
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr(drains, "settle", die)
            Drainer(spool).drain()
        return 0

    return drained


@pytest.fixture
def heard() -> Iterator[list[RetiredSecretAlarm]]:
    found: list[RetiredSecretAlarm] = []
    alarms.on_alarm(found.append)
    yield found
    alarms._listeners.remove(found.append)


def rotate(
    issued: Issued | Rotated, grace: timedelta = HOUR, *, last_host: bool = False
) -> Rotated:
    overlap = Overlap(grace, ends_with_last_host=last_host)
    return keys.rotate(key=issued.key, overlap=overlap, within=OWNER, by=SYSTEM)


def resolve(issued: Issued | Rotated, at: datetime | None = None) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=at or timezone.now())


def row(issued: Issued | Rotated) -> Secret:
    return Secret.objects.get(mask=issued.plaintext.mask)


def state(issued: Issued | Rotated) -> SecretState:
    return row(issued).state(timezone.now())


def line(issued: Issued | Rotated, at: datetime, denial: str = "", status: int = 200) -> UseLine:
    secret = row(issued)
    return UseLine(
        (at - EPOCH) // timedelta(microseconds=1),
        secret.key_id.hex,
        secret.pk.hex,
        secret.key.organization_id.hex,
        "GET",
        "/x",
        401 if denial else status,
        denial,
        "192.0.2.9",
        "old script",
        1500,
    )


def entries_of(action: str) -> int:
    return TrailEntry.objects.filter(action=action).count()


def beat(issued: Issued | Rotated, host: str) -> dict[str, Any]:
    body = {"host": host, "version": "1"}
    client = api(HTTP_X_API_KEY=issued.plaintext.reveal())
    answer: dict[str, Any] = client.post("/api/v1/agent/heartbeat", body, format="json").json()
    return answer


def test_first_use_activates_and_starts_the_grace(
    public_key: Issued, advance: Clock, write: Write, drainer: Drainer
) -> None:
    rotated = rotate(public_key)
    used_at = advance(DAY)
    write(line(rotated, used_at), line(rotated, used_at + MINUTE))
    advance(2 * MINUTE)
    drainer.drain()
    assert row(rotated).activated_at == used_at
    assert row(public_key).retired_at == used_at + HOUR
    assert (state(public_key), state(rotated)) == (SecretState.RETIRING, SecretState.LIVE)
    assert isinstance(resolve(public_key, used_at + HOUR - MINUTE), Credential)
    assert resolve(public_key, used_at + HOUR) == Denial(Reason.ROTATED_KEY)
    assert entries_of("key.secret_activated") == 1


def test_real_request_with_the_new_secret_activates_it(public_key: Issued, drain: Drain) -> None:
    rotated = rotate(public_key)
    assert api(HTTP_X_API_KEY=rotated.plaintext.reveal()).get("/api/v1/whoami").status_code == 200
    assert state(rotated) is SecretState.PENDING  # verification wrote nothing
    drain()
    assert (state(public_key), state(rotated)) == (SecretState.RETIRING, SecretState.LIVE)


def test_error_of_the_service_is_a_use(
    public_key: Issued, advance: Clock, write: Write, drainer: Drainer
) -> None:
    rotated = rotate(public_key)
    write(line(rotated, advance(MINUTE), status=500))
    drainer.drain()
    assert state(rotated) is SecretState.LIVE


@pytest.mark.parametrize("denial", ["ip_not_allowed", "insufficient_scope", "paused_key"])
def test_refused_use_does_not_activate(
    denial: str, public_key: Issued, advance: Clock, write: Write, drainer: Drainer
) -> None:
    rotated = rotate(public_key)
    write(line(rotated, advance(MINUTE), denial))
    drainer.drain()
    assert (state(public_key), state(rotated)) == (SecretState.LIVE, SecretState.PENDING)
    assert entries_of("key.secret_activated") == 0


def test_use_of_the_old_secret_does_not_activate(
    public_key: Issued, advance: Clock, write: Write, drainer: Drainer
) -> None:
    rotated = rotate(public_key)
    write(line(public_key, advance(MINUTE)))
    drainer.drain()
    assert (state(public_key), state(rotated)) == (SecretState.LIVE, SecretState.PENDING)


def test_late_drain_never_ends_the_old_secret_in_the_past(
    public_key: Issued, advance: Clock, write: Write, drainer: Drainer
) -> None:
    """While the drain stands still, the old secret lives; then it gets at least one lease."""
    rotated = rotate(public_key)
    write(line(rotated, advance(MINUTE)))
    now = advance(2 * DAY)
    assert isinstance(resolve(public_key), Credential)
    drainer.drain()
    end = row(public_key).retired_at
    assert end is not None
    assert now < end <= now + timedelta(seconds=1)


def test_second_drain_activates_nothing_again(
    public_key: Issued, advance: Clock, write: Write, drainer: Drainer, spool: Path
) -> None:
    rotated = rotate(public_key)
    write(line(rotated, advance(MINUTE)))
    drainer.drain()
    before = list(Secret.objects.order_by("pk").values())
    write(line(rotated, advance(MINUTE)))
    drainer.drain()
    Drainer(spool).drain()
    assert list(Secret.objects.order_by("pk").values()) == before
    assert entries_of("key.secret_activated") == 1


def test_drainer_killed_after_its_lines_is_made_up_for(
    public_key: Issued, advance: Clock, write: Write, drain_without_settling: Drain, spool: Path
) -> None:
    rotated = rotate(public_key)
    write(line(rotated, advance(MINUTE)))
    drain_without_settling()
    assert state(rotated) is SecretState.PENDING
    assert Drainer(spool).drain() == 0  # no line is left
    assert state(rotated) is SecretState.LIVE
    assert entries_of("key.secret_activated") == 1


def test_unwritable_trail_delays_the_activation_and_no_line(
    public_key: Issued,
    advance: Clock,
    write: Write,
    drainer: Drainer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rotated = rotate(public_key)
    write(line(rotated, advance(MINUTE)))

    def fail(*args: Any) -> None:
        raise TrailUnavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(entries, "_append", fail)
        assert drainer.drain() == 1
    assert (state(public_key), state(rotated)) == (SecretState.LIVE, SecretState.PENDING)
    assert drainer.drain() == 0
    assert state(rotated) is SecretState.LIVE


def test_unused_secret_lapses_after_seven_days(public_key: Issued, advance: Clock) -> None:
    rotated = rotate(public_key)
    advance(7 * DAY - timedelta(microseconds=1))
    settle.lapse(timezone.now())
    assert state(rotated) is SecretState.PENDING
    advance(timedelta(microseconds=1))
    for _ in range(2):
        settle.lapse(timezone.now())
    assert (state(public_key), state(rotated)) == (SecretState.LIVE, SecretState.LAPSED)
    assert resolve(rotated) == Denial(Reason.ROTATED_KEY)
    assert not resolve(public_key).is_rotating_out  # type: ignore[union-attr]
    assert entries_of("key.secret_lapsed") == 1
    assert Key.objects.get(pk=public_key.key.pk).rotated_at is None


def test_used_secret_never_lapses(
    public_key: Issued, advance: Clock, write: Write, drain_without_settling: Drain
) -> None:
    rotated = rotate(public_key)
    write(line(rotated, advance(DAY)))
    drain_without_settling()
    advance(7 * DAY)
    settle.lapse(timezone.now())
    assert state(rotated) is SecretState.PENDING
    settle.settle(timezone.now())
    assert state(rotated) is SecretState.LIVE


@pytest.mark.parametrize(("late", "lapses"), [(timedelta(0), True), (HOUR, False)])
def test_nothing_lapses_while_a_drain_is_late(
    late: timedelta, lapses: bool, public_key: Issued, advance: Clock
) -> None:
    Duty.objects.create(name="drain_usage@elsewhere:/spool", due_at=timezone.now() - late)
    rotated = rotate(public_key)
    advance(8 * DAY)
    duties._lapse()
    assert (state(rotated) is SecretState.LAPSED) == lapses


def test_last_host_ends_the_old_secret(agent_key: Issued, drain: Drain) -> None:
    hosts = [f"sql-{number}" for number in range(3)]
    for host in hosts:
        beat(agent_key, host)
    rotated = rotate(agent_key, DAY, last_host=True)
    for host in hosts[:2]:
        beat(rotated, host)
    drain()
    shown = progress(agent_key)
    assert (shown.moved, shown.remaining) == (hosts[:2], hosts[2:])
    assert state(agent_key) is SecretState.RETIRING
    assert beat(agent_key, hosts[2])["rotating_out_at"]
    drain()
    assert entries_of("key.rotation_finished") == 0
    beat(rotated, hosts[2])
    drain()
    end = row(agent_key).retired_at
    assert end is not None
    assert end < timezone.now() + MINUTE
    assert entries_of("key.rotation_finished") == 1
    drain()
    assert entries_of("key.rotation_finished") == 1


def test_last_host_ends_nothing_unless_it_was_chosen(agent_key: Issued, drain: Drain) -> None:
    beat(agent_key, "sql-1")
    rotated = rotate(agent_key, DAY)
    beat(rotated, "sql-1")
    drain()
    end = row(agent_key).retired_at
    assert end is not None
    assert end > timezone.now() + DAY - MINUTE


def test_heartbeat_says_until_when_the_old_secret_works(agent_key: Issued, drain: Drain) -> None:
    rotated = rotate(agent_key)
    waiting = beat(agent_key, "sql-1")
    assert (waiting["rotating_out"], waiting["rotating_out_at"]) == (True, None)
    beat(rotated, "sql-2")
    drain()
    ending = beat(agent_key, "sql-1")
    assert datetime.fromisoformat(ending["rotating_out_at"]) == row(agent_key).retired_at
    assert beat(rotated, "sql-2")["rotating_out"] is False


def test_key_names_the_hosts_that_moved(
    agent_key: Issued, globex_agent_key: Issued, alice: Any
) -> None:
    for host in ("sql-1", "sql-2"):
        beat(agent_key, host)
    beat(globex_agent_key, "sql-3")
    assert keys_hosts(agent_key, alice) is None
    beat(rotate(agent_key), "sql-1")
    assert keys_hosts(agent_key, alice) == {
        "moved_count": 1,
        "remaining_count": 1,
        "moved": ["sql-1"],
        "remaining": ["sql-2"],
    }


def keys_hosts(issued: Issued, person: Any) -> Any:
    return client_of(person).get(f"/api/v1/api-keys/{issued.key.public_id}").json()["hosts"]


def progress(issued: Issued) -> Any:
    return host_progress(Key.objects.get(pk=issued.key.pk), timezone.now())


def test_retired_secret_raises_one_alarm_an_hour(
    agent_key: Issued,
    advance: Clock,
    write: Write,
    drainer: Drainer,
    heard: list[RetiredSecretAlarm],
) -> None:
    beat(agent_key, "sql-7")
    rotate(agent_key, timedelta(0))
    for minutes in (1, 1, 57):
        write(line(agent_key, advance(minutes * MINUTE), "rotated_key"))
        drainer.drain()
    assert entries_of("key.retired_secret_used") == 1
    (alarm,) = heard
    assert (alarm.address, alarm.user_agent, alarm.hosts) == ("192.0.2.9", "old script", ["sql-7"])
    write(line(agent_key, advance(3 * MINUTE), "rotated_key"))
    drainer.drain()
    assert entries_of("key.retired_secret_used") == len(heard) == 2
    body = TrailEntry.objects.filter(action="key.retired_secret_used").latest("sequence").body
    assert all(text in body for text in ("192.0.2.9", "sql-7", agent_key.plaintext.mask))


@pytest.mark.parametrize("denial", ["", "revoked_key", "ip_not_allowed", "rate_limited"])
def test_other_requests_raise_no_alarm(
    denial: str, public_key: Issued, advance: Clock, write: Write, drainer: Drainer
) -> None:
    rotate(public_key)
    write(line(public_key, advance(MINUTE), denial))
    drainer.drain()
    assert entries_of("key.retired_secret_used") == 0
    assert not RetiredUse.objects.exists()


def test_alarm_of_a_killed_drainer_is_raised_by_the_next(
    public_key: Issued,
    drain: Drain,
    drain_without_settling: Drain,
    heard: list[RetiredSecretAlarm],
) -> None:
    rotate(public_key, timedelta(0))
    assert api(public_key).get("/api/v1/whoami").json()["code"] == "rotated_key"
    append.appender().flush()
    drain_without_settling()
    assert heard == []
    drain()
    drain()
    assert len(heard) == entries_of("key.retired_secret_used") == 1


def test_refused_listener_takes_back_the_alarm(
    public_key: Issued, advance: Clock, write: Write, drainer: Drainer
) -> None:
    rotate(public_key, timedelta(0))
    write(line(public_key, advance(MINUTE), "rotated_key"))

    def refuse(alarm: RetiredSecretAlarm) -> None:
        raise TrailUnavailable("no room")

    alarms.on_alarm(refuse)
    try:
        drainer.drain()
    finally:
        alarms._listeners.remove(refuse)
    assert entries_of("key.retired_secret_used") == 0
    drainer.drain()
    assert entries_of("key.retired_secret_used") == 1


def test_agent_remembers_the_secret_of_its_last_request(agent_key: Issued) -> None:
    beat(agent_key, "sql-1")
    rotated = rotate(agent_key)
    event = {
        "event_id": "0199f3a2-7c31-7d6e-9a44-2f1b7c0de001",
        "host": "sql-1",
        "action_id": "SL",
        "event_time": timezone.now().isoformat(),
        "succeeded": True,
    }
    client = api(HTTP_X_API_KEY=rotated.plaintext.reveal())
    assert client.post("/api/v1/agent/events", [event], format="json").status_code == 200
    assert Agent.objects.get(host="sql-1").secret_id == row(rotated).pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
@pytest.mark.parametrize("other", ["settle", "end", "rotate"])
def test_activation_races_have_one_outcome(
    other: str, public_key: Issued, write: Write, drain_without_settling: Drain
) -> None:
    """The same moment: a drain activates, and another drain or a person changes the secrets."""
    rotated = rotate(public_key)
    write(line(rotated, timezone.now()))
    drain_without_settling()
    barrier = threading.Barrier(2)
    changes: dict[str, Callable[[], object]] = {
        "settle": lambda: settle.settle(timezone.now()),
        "end": lambda: keys.end_secret(key=public_key.key, secret_id=row(public_key).pk, by=SYSTEM),
        "rotate": lambda: rotate(public_key, timedelta(0)),
    }
    errors: list[Exception] = []

    def run(change: Callable[[], object]) -> None:
        try:
            barrier.wait()
            change()
        except Exception as error:  # noqa: BLE001  reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[changes[name]]) for name in ("settle", other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert connection.vendor == "postgresql"
    assert Secret.objects.live().count() == 1
    assert Secret.objects.pending().count() == 0
    assert entries_of("key.secret_activated") <= 1
