from django.contrib import admin

from audit.outbox.models import Message
from config.pages.admin import ReadOnlyAdmin


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Shows whether a message was sent. The payload is a secret and is never a field here."""

    fields = (
        "kind",
        "recipient",
        "subject",
        "state",
        "created_at",
        "attempts",
        "due_at",
        "error",
        "sent_at",
        "given_up_at",
    )
    list_display = ("created_at", "kind", "recipient", "subject", "state", "attempts", "error")
    list_filter = ("kind",)
    search_fields = ("recipient",)
    ordering = ("-created_at",)
    show_full_result_count = False
