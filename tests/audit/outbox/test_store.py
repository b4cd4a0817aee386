"""An email waits in the database with its change, unreadable to anyone with the database alone."""

import logging
from datetime import timedelta

import pytest
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit.outbox import deliver, seal, store
from audit.outbox.models import Message
from tenants.models import User
from tests.audit.outbox.conftest import SECRET, Send
from tests.conftest import client_of
from tests.servers.smtp import SmtpServer


def test_an_email_is_stored_for_each_recipient_once(send: Send) -> None:
    send("bob@acme.example", "alice@acme.example", cc=["bob@acme.example"], bcc=["x@acme.example"])
    recipients = Message.objects.order_by("pk").values_list("recipient", flat=True)
    assert list(recipients) == ["bob@acme.example", "alice@acme.example", "x@acme.example"]


def test_a_change_that_is_rolled_back_sends_nothing(send: Send) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        send("bob@acme.example")
        1 / 0  # noqa: B018
    assert not Message.objects.exists()


def test_the_payload_is_nowhere_in_the_row_in_clear(send: Send) -> None:
    send("bob@acme.example")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM outbox_message")
        row = cursor.fetchone()
    told = b" ".join(
        bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row
    )
    assert b"bob@acme.example" in told
    assert b"reset/key" not in told
    assert b"secret-link" not in told


def test_payload_opens_with_a_fallback_key_only(
    send: Send, smtp: SmtpServer, settings: Settings
) -> None:
    send("bob@acme.example")
    sealed_with, settings.SECRET_KEY = settings.SECRET_KEY, "another " * 8
    settings.SECRET_KEY_FALLBACKS = [sealed_with]
    deliver.send_due()
    assert str(smtp.delivered[0].message.get_payload()).strip() == SECRET
    send("carol@acme.example")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a third " * 8, []
    deliver.send_due()
    lost = Message.objects.get(recipient="carol@acme.example")
    assert (lost.state, lost.payload, lost.attempts) == ("given up", None, 1)
    assert "SECRET_KEY" in lost.error


def test_an_altered_payload_does_not_open() -> None:
    sealed = bytearray(seal.seal(b"a letter", ("key",)))
    assert seal.open_sealed(bytes(sealed), ("other", "key")) == b"a letter"
    sealed[20] ^= 1
    with pytest.raises(seal.SealBroken):
        seal.open_sealed(bytes(sealed), ("key",))


def test_a_header_with_a_line_break_is_refused_at_once(send: Send) -> None:
    with pytest.raises(BadHeaderError):
        send("bob@acme.example", subject="Hello\nBcc: mallory@globex.example")
    assert not Message.objects.exists()


def test_an_attachment_is_refused_at_once() -> None:
    email = EmailMessage("Report", "see there", to=["bob@acme.example"])
    email.attach("report.csv", "1,2", "text/csv")
    with pytest.raises(ValueError, match="attachments"):
        email.send()


def test_an_email_arrives_as_it_was_written(smtp: SmtpServer) -> None:
    email = EmailMultiAlternatives(
        "Grüße",
        "plain",
        "Keyway <keyway@acme.example>",
        ["bob@acme.example"],
        cc=["carol@acme.example"],
        reply_to=["help@acme.example"],
        headers={"X-Kind": "test"},
    )
    email.attach_alternative("<b>rich</b>", "text/html")
    email.send()
    deliver.send_due()
    first, second = smtp.delivered
    assert (first.recipient, second.recipient) == ("bob@acme.example", "carol@acme.example")
    assert first.sender == "keyway@acme.example"
    assert first.message["To"] == "bob@acme.example"
    assert first.message["Cc"] == "carol@acme.example"
    assert first.message["Reply-To"] == "help@acme.example"
    assert first.message["X-Kind"] == "test"
    assert first.message["Message-ID"].endswith("@acme.example>")
    assert first.message["Message-ID"] == second.message["Message-ID"]
    parts = [part.get_content_type() for part in first.message.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.parametrize(
    "broken",
    [
        {"sent_at": timezone.now()},  # and still with its payload
        {"payload": None},
        {"sent_at": timezone.now(), "given_up_at": timezone.now(), "payload": None},
    ],
)
def test_finished_message_cannot_keep_a_payload(send: Send, broken: dict[str, object]) -> None:
    send("bob@acme.example")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.update(**broken)


def test_finished_messages_are_removed_after_a_month(send: Send, smtp: SmtpServer) -> None:
    for name in ("old", "young", "waiting"):
        send(f"{name}@acme.example")
        if name != "waiting":
            deliver.send_due()
    long_ago = timezone.now() - store.KEPT - timedelta(seconds=1)
    Message.objects.filter(recipient="old@acme.example").update(sent_at=long_ago)
    Message.objects.filter(recipient="waiting@acme.example").update(created_at=long_ago)
    store.prune()
    left = set(Message.objects.values_list("recipient", flat=True))
    assert left == {"young@acme.example", "waiting@acme.example"}


def test_reset_link_is_in_no_log(
    bob: User, smtp: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Client().post("/accounts/password/reset/", {"email": bob.email})
    assert Message.objects.waiting().get().recipient == bob.email
    smtp.data_reply = "451 later"
    deliver.send_due()
    smtp.data_reply = "250 OK"
    Message.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    deliver.send_due()
    payload = smtp.delivered[0].message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    text = payload.decode()
    link = next(word for word in text.split() if "/reset/key/" in word)
    assert link.rsplit("/", 2)[1] not in caplog.text


def test_staff_see_a_failure_and_never_its_text(staff: User, send: Send, smtp: SmtpServer) -> None:
    send("bob@acme.example")
    smtp.refuse["bob@acme.example"] = "450 mailbox busy"
    deliver.send_due()
    browser, message = client_of(staff), Message.objects.get()
    for page in ("", f"{message.pk}/change/"):
        shown = browser.get(f"/admin/outbox/message/{page}").content.decode()
        assert "bob@acme.example" in shown
        assert "450 mailbox busy" in shown
        assert "waiting" in shown
        assert "payload" not in shown.lower()
        assert bytes(message.payload or b"").decode()[:40] not in shown
