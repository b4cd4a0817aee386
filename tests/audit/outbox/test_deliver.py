"""Due messages are sent at least once and retried for a day. One failure delays no other."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from audit.outbox import deliver, gauges
from audit.outbox.models import Message
from tests.audit.outbox.conftest import Send, due_now
from tests.servers.ports import free_port
from tests.servers.smtp import SmtpServer


def test_sent_message_loses_its_payload(send: Send, smtp: SmtpServer) -> None:
    send("bob@acme.example")
    deliver.send_due()
    deliver.send_due()
    message = Message.objects.get()
    assert len(smtp.delivered) == 1
    assert (message.state, message.payload, message.attempts) == ("sent", None, 1)
    assert (message.error, message.claimed_until) == ("", None)


def test_nothing_due_costs_one_query(django_assert_num_queries: object, send: Send) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        deliver.send_due()


@pytest.mark.parametrize("reply", ["550 no such mailbox", "553 not allowed"])
def test_permanent_refusal_ends_one_message(reply: str, send: Send, smtp: SmtpServer) -> None:
    smtp.refuse["gone@acme.example"] = reply
    send("gone@acme.example", "bob@acme.example")
    deliver.send_due()
    gone, bob = (Message.objects.get(recipient=f"{n}@acme.example") for n in ("gone", "bob"))
    assert (gone.state, gone.error, gone.payload) == ("given up", reply, None)
    assert bob.state == "sent"


def test_a_transient_refusal_is_tried_again(send: Send, smtp: SmtpServer) -> None:
    smtp.refuse["bob@acme.example"] = "450 greylisted"
    send("bob@acme.example", "carol@acme.example")
    deliver.send_due()
    bob, carol = (Message.objects.get(recipient=f"{n}@acme.example") for n in ("bob", "carol"))
    assert (bob.state, bob.error, bob.attempts) == ("waiting", "450 greylisted", 1)
    assert carol.state == "sent"
    del smtp.refuse["bob@acme.example"]
    deliver.send_due()
    assert len(smtp.delivered) == 1, "its pause has not passed"
    due_now()
    deliver.send_due()
    assert {each.recipient for each in smtp.delivered} == {"bob@acme.example", "carol@acme.example"}


def test_a_message_refused_as_spam_is_given_up(send: Send, smtp: SmtpServer) -> None:
    smtp.data_reply = "554 spam"
    send("bob@acme.example")
    deliver.send_due()
    assert Message.objects.get().state == "given up"


def test_closed_connection_is_no_refusal(send: Send, smtp: SmtpServer) -> None:
    smtp.refuse["bob@acme.example"] = "421 closing"
    send("bob@acme.example")
    deliver.send_due()
    assert Message.objects.get().state == "waiting"


def test_a_failed_farewell_does_not_send_twice(settings: Settings, send: Send) -> None:
    with SmtpServer(drops_quit=True) as smtp:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp.port
        send("bob@acme.example")
        deliver.send_due()
        assert (len(smtp.delivered), Message.objects.get().state) == (1, "sent")


def test_refused_connection_ends_the_run(settings: Settings, send: Send) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    send("bob@acme.example", "carol@acme.example")
    deliver.send_due()
    tried, other = Message.objects.order_by("-attempts")
    assert (tried.attempts, tried.state) == (1, "waiting")
    assert "ConnectionRefusedError" in tried.error
    assert (other.attempts, other.error, other.claimed_until) == (0, "", None)


def test_a_server_that_never_answers_costs_one_time_out(settings: Settings, send: Send) -> None:
    with SmtpServer(hangs=True) as smtp:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp.port
        send(*[f"person{number}@acme.example" for number in range(5)])
        began = time.monotonic()
        deliver.send_due()
        assert time.monotonic() - began < 5
        assert smtp.connections == 1
    assert Message.objects.waiting().count() == 5


def test_backoff_doubles_with_jitter_up_to_a_bound() -> None:
    for attempts, seconds in ((1, 10), (2, 20), (5, 160), (8, 900), (500, 900)):
        pauses = {deliver._pause(attempts).total_seconds() for _ in range(50)}
        assert min(pauses) >= seconds * 0.8
        assert max(pauses) <= seconds * 1.2
        assert len(pauses) > 1


def test_message_is_given_up_after_a_day(
    send: Send, smtp: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    smtp.refuse |= {f"{name}@acme.example": "450 busy" for name in ("old", "young")}
    send("old@acme.example", "young@acme.example")
    too_long = timezone.now() - deliver.GIVE_UP_AFTER - timedelta(seconds=1)
    Message.objects.filter(recipient="old@acme.example").update(created_at=too_long)
    deliver.send_due()
    old, young = (Message.objects.get(recipient=f"{n}@acme.example") for n in ("old", "young"))
    assert (old.state, old.payload, old.error) == ("given up", None, "450 busy")
    assert young.state == "waiting"
    assert f"Message {old.pk} (email) is given up" in caplog.text
    assert "old@acme.example" not in caplog.text


def test_defect_in_one_message_delays_no_other(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def fragile(payload: bytes) -> None:
        seen.append(payload)
        if len(seen) == 1:
            raise LookupError("of the payload's own")

    monkeypatch.setitem(deliver._deliverers, "email", fragile)
    send("bob@acme.example", "carol@acme.example")
    deliver.send_due()
    states = sorted(message.state for message in Message.objects.all())
    assert states == ["sent", "waiting"]
    assert Message.objects.waiting().get().error == "LookupError"


def test_lost_claim_is_left_alone(send: Send, smtp: SmtpServer) -> None:
    send("bob@acme.example")
    (ours,) = deliver._claim()
    Message.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    (theirs,) = deliver._claim()
    deliver._try_again(ours, "too late")
    held = Message.objects.get()
    assert (held.error, held.attempts) == ("", 2)
    assert held.claimed_until
    deliver._send(theirs)
    assert Message.objects.get().state == "sent"


def test_killed_sender_leaves_its_message(
    send: Send, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: bytes) -> None:
        raise KeyboardInterrupt

    send("bob@acme.example")
    with monkeypatch.context() as dying:
        dying.setitem(deliver._deliverers, "email", killed)
        with pytest.raises(KeyboardInterrupt):
            deliver.send_due()
    deliver.send_due()
    assert not smtp.delivered, "the claim still holds"
    Message.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    deliver.send_due()
    assert len(smtp.delivered) == 1


def test_unknown_kind_waits_for_another_worker(send: Send) -> None:
    send("bob@acme.example")
    Message.objects.update(kind="telegram")
    deliver.send_due()
    assert Message.objects.get().attempts == 0


def test_the_gauges_tell_how_much_waits_and_for_how_long(send: Send, smtp: SmtpServer) -> None:
    def told() -> dict[str, float]:
        return {
            family.name: family.samples[0].value for family in gauges.OutboxCollector().collect()
        }

    assert told() == {
        "keyway_outbox_waiting": 0,
        "keyway_outbox_oldest_seconds": 0,
        "keyway_outbox_given_up": 0,
    }
    smtp.refuse["gone@acme.example"] = "550 gone"
    send("gone@acme.example")
    deliver.send_due()
    send("bob@acme.example")
    Message.objects.waiting().update(created_at=timezone.now() - timedelta(minutes=5))
    waits = told()
    assert (waits["keyway_outbox_waiting"], waits["keyway_outbox_given_up"]) == (1, 1)
    assert 300 <= waits["keyway_outbox_oldest_seconds"] < 330


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_each_message_once(send: Send, smtp: SmtpServer) -> None:
    send(*[f"person{number}@acme.example" for number in range(40)])

    def work() -> None:
        try:
            deliver.send_due()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(smtp.delivered) == 40
    assert len({each.recipient for each in smtp.delivered}) == 40
    assert not Message.objects.waiting().exists()
