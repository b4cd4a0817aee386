from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apikeys import services
from apikeys.errors import AlreadyRevoked
from apikeys.models import Key
from config.pages.admin import ReadOnlyAdmin
from tenants.admin import actor_of


@admin.register(Key)
class KeyAdmin(ReadOnlyAdmin):
    """Read-only except for revoking.

    Keys are never issued here, because the admin cannot show a secret exactly once. Lookups and
    proofs are not shown.
    """

    list_display = (
        "name",
        "mask",
        "kind",
        "environment",
        "organization",
        "owner",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    list_filter = ("kind", "environment", "organization")
    search_fields = ("name", "owner__user__email")
    fields = (
        "name", "description", "mask", "kind", "environment", "organization", "owner", "scopes",
        "created_at", "created_by", "expires_at", "paused_at", "revoked_at", "revoke_reason",
        "last_used_at", "last_used_ip",
    )  # fmt: skip
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Key]:
        keys: QuerySet[Key] = super().get_queryset(request)
        return keys.select_related(
            "organization", "owner__user", "owner__organization"
        ).prefetch_related("secrets")

    @admin.display(description="key")
    def mask(self, key: Key) -> str:
        return key.mask

    @admin.action(description="Revoke permanently")
    def revoke(self, request: HttpRequest, keys: QuerySet[Key]) -> None:
        revoked = sum(self._revoke_one(request, key) for key in keys)
        self.message_user(request, f"Revoked {revoked} keys.")

    def _revoke_one(self, request: HttpRequest, key: Key) -> bool:
        try:
            services.revoke(key=key, by=actor_of(request), reason="Revoked by platform staff")
        except AlreadyRevoked as error:
            self.message_user(request, f"{key}: {error.detail}", messages.WARNING)
            return False
        return True
