from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from audit.models import TrailEntry


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """For rows that only services may write: everything can be looked at, nothing added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(TrailEntry)
class TrailEntryAdmin(ReadOnlyAdmin):
    list_display = ("occurred_at", "action", "actor_name", "target_name", "organization_id", "sequence")
    list_filter = ("action",)
    search_fields = ("actor_name", "target_name", "target_id")
    ordering = ("-occurred_at",)
    show_full_result_count = False
