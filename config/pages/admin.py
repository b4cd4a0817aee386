"""The Django admin as platform staff see it; signing in is Keyway's own, second factor included."""

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, reverse

# Django's redirect to an object's own page: nothing here has one, and an id that is no UUID is a 500 there. And the end of
# its own form for passwords, which is not shown.
_LEFT_OUT = {"view_on_site", "password_change_done"}


class ReadOnlyAdmin(ModelAdmin[Any]):
    """For rows that only services may write: everything can be looked at, nothing added, changed or deleted."""

    view_on_site = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PlatformAdminSite(AdminSite):
    site_header = "Keyway platform"
    site_title = "Keyway platform"
    index_title = "Platform administration"
    enable_nav_sidebar = False

    def register(
        self,
        model_or_iterable: Any,
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Take what is read-only, and pass over what libraries register.

        Theirs would change a person's address, second factor or sessions behind the trail's back, and show what signs in.
        """
        if admin_class and issubclass(admin_class, ReadOnlyAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            pattern
            for pattern in super().get_urls()
            if getattr(pattern, "name", None) not in _LEFT_OUT
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        """Raises PermissionDenied: somebody else who is signed in would only be asked to sign in again."""
        if not super().has_permission(request) and request.user.is_authenticated:
            raise PermissionDenied("The platform administration is for platform staff.")
        return request.user.is_authenticated

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(  # type: ignore[override]  # it leads elsewhere
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Keyway's page for it has limits, and tells the person by mail."""
        return HttpResponseRedirect(reverse("account_change_password"))
