"""The platform admin's read-only view of the trail."""

from django.contrib import admin

from audit.models import TrailEntry
from config.pages.admin import ReadOnlyAdmin


@admin.register(TrailEntry)
class TrailEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "occurred_at",
        "action",
        "actor_name",
        "target_name",
        "organization_id",
        "sequence",
    )
    list_filter = ("action",)
    search_fields = ("actor_name", "target_name", "target_id")
    ordering = ("-occurred_at",)
    show_full_result_count = False
