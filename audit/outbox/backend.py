from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from audit.outbox import mail, store


class OutboxBackend(BaseEmailBackend):
    """Django's EMAIL_BACKEND: store each email in the caller's transaction. Contacts no server."""

    @transaction.atomic
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Raises ValueError for a malformed email, whatever `fail_silently` says."""
        for email in email_messages:
            for letter in mail.letters(email):
                store.put(
                    kind="email",
                    recipient=letter.recipient,
                    subject=letter.subject,
                    payload=mail.payload(letter),
                )
        return len(email_messages)
