from django.contrib import admin

from apikeys.oauth.models import Application
from config.pages.admin import ReadOnlyAdmin


@admin.register(Application)
class ApplicationAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "organization",
        "purpose",
        "environment",
        "secret_mask",
        "created",
        "disabled_at",
    )
    list_select_related = ("organization",)
    list_filter = ("environment", "organization")
    search_fields = ("name", "client_id")
    fields = (
        "name", "client_id", "organization", "purpose", "environment", "scopes", "redirect_uris",
        "secret_mask", "secret_created_at", "created", "created_by", "disabled_at",
    )  # fmt: skip

    @admin.display(description="type")
    def purpose(self, application: Application) -> str:
        return str(application.purpose.label)
