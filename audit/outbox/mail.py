"""Email in the outbox.

Each recipient has a message of their own, so that one refused address neither blocks nor repeats
the others.
"""

import smtplib
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate, make_msgid, parseaddr

import msgspec
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection

from audit.outbox import conf
from audit.outbox.errors import DeliveryFailed, Undeliverable, Unreachable

MOST_DETAIL = 300
# "Service not available, closing transmission channel": about the server, not the message.
_CLOSING = 421


class Letter(msgspec.Struct, frozen=True):
    """An email to one of its recipients, as it is stored."""

    recipient: str
    sender: str
    subject: str
    body: str
    subtype: str
    alternatives: list[tuple[str, str]]
    to: list[str]
    cc: list[str]
    reply_to: list[str]
    headers: dict[str, str]


class _Email(EmailMultiAlternatives):
    """Goes to one recipient, whatever its To and Cc say."""

    recipient: str

    def recipients(self) -> list[str]:
        return [self.recipient]


def letters(email: EmailMessage) -> Iterator[Letter]:
    """Split an email by recipient. Raises ValueError for attachments and malformed headers."""
    if email.attachments:
        raise ValueError("The outbox takes no attachments.")
    # Fixed here, so that every attempt carries the same Message-ID and receivers can drop copies.
    # Django's default domain is the host's name, which costs a DNS lookup in the request.
    domain = parseaddr(email.from_email)[1].partition("@")[2] or "localhost"
    fixed = {"Date": formatdate(), "Message-ID": make_msgid(domain=domain)}
    given = {name: str(value) for name, value in email.extra_headers.items()}
    taken = {name.lower() for name in given}
    headers = given | {name: fixed[name] for name in fixed if name.lower() not in taken}
    for recipient in dict.fromkeys(email.recipients()):
        letter = Letter(
            recipient=recipient,
            sender=email.from_email,
            subject=str(email.subject),
            body=str(email.body),
            subtype=email.content_subtype,
            alternatives=[(str(text), str(kind)) for text, kind in _alternatives(email)],
            to=[str(each) for each in email.to],
            cc=[str(each) for each in email.cc],
            reply_to=[str(each) for each in email.reply_to],
            headers=headers,
        )
        _email(letter).message()
        yield letter


def payload(letter: Letter) -> bytes:
    return msgspec.json.encode(letter)


def send(payload: bytes) -> None:
    """Send through EMAIL_URL. Raises DeliveryFailed, Undeliverable, Unreachable."""
    email = _email(msgspec.json.decode(payload, type=Letter))
    transport, wait = conf.email_transport()
    server = get_connection(transport, timeout=wait.total_seconds())
    try:
        server.open()
    except (smtplib.SMTPException, OSError) as error:
        raise Unreachable(_detail(error)) from error
    try:
        server.send_messages([email])
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _judged(error) from error
    finally:
        # The server has accepted or refused the email by now; a failed QUIT must not repeat it.
        with suppress(smtplib.SMTPException, OSError):
            server.close()


def _judged(error: Exception) -> DeliveryFailed:
    """Classify a refusal: 5xx is permanent and 4xx transient (RFC 5321, 4.2.1).

    Anything else is about the connection.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        ((code, said),) = error.recipients.values()
        return _by_code(code, f"{code} {_text(said)}")
    if isinstance(error, smtplib.SMTPResponseException):
        return _by_code(error.smtp_code, _detail(error))
    if isinstance(error, ValueError):  # an address or text that no encoding takes
        return Undeliverable(f"{type(error).__name__}")
    return Unreachable(_detail(error))


def _by_code(code: int, detail: str) -> DeliveryFailed:
    if code == _CLOSING:
        return Unreachable(detail)
    return Undeliverable(detail) if 500 <= code < 600 else DeliveryFailed(detail)


def _detail(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return f"{type(error).__name__}: {_text(str(error))}"


def _text(said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return "".join(c if c.isprintable() else " " for c in text)[:MOST_DETAIL]


def _alternatives(email: EmailMessage) -> list[tuple[str, str]]:
    return [tuple(each) for each in getattr(email, "alternatives", None) or []]


def _email(letter: Letter) -> _Email:
    email = _Email(
        subject=letter.subject,
        body=letter.body,
        from_email=letter.sender,
        to=letter.to,
        cc=letter.cc,
        reply_to=letter.reply_to,
        headers=letter.headers,
    )
    for content, kind in letter.alternatives:
        email.attach_alternative(content, kind)
    email.content_subtype = letter.subtype
    email.recipient = letter.recipient
    return email
