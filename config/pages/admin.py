"""The Django admin for platform staff, with Keyway's own sign-in and second factor."""

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, reverse

# view_on_site redirects to an object's page, which no model has, and responds with 500 to an id
# that is not a UUID. password_change_done belongs to Django's password form, which Keyway replaces.
_EXCLUDED_URLS = {"view_on_site", "password_change_done"}


class ReadOnlyAdmin(ModelAdmin[Any]):
    """View only, for rows that only services write."""

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
        """Register read-only admins and ignore the ones that libraries register.

        Those could change a person's email, second factor or sessions without an entry in the
        trail, and would show secrets.
        """
        if admin_class and issubclass(admin_class, ReadOnlyAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            pattern
            for pattern in super().get_urls()
            if getattr(pattern, "name", None) not in _EXCLUDED_URLS
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the person is signed in. Raises PermissionDenied if they are not staff.

        Returning False would send a signed-in person to the sign-in page again and again.
        """
        if not super().has_permission(request) and request.user.is_authenticated:
            raise PermissionDenied("The platform administration is for platform staff.")
        return request.user.is_authenticated

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(  # type: ignore[override]  # a redirect
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to Keyway's own page, which is rate limited and notifies the person by email."""
        return HttpResponseRedirect(reverse("account_change_password"))
