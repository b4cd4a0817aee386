"""The Django admin as platform staff see it; signing in is Keyway's own, second factor included."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, reverse


class PlatformAdminSite(AdminSite):
    site_header = "Keyway platform"
    site_title = "Keyway platform"
    index_title = "Platform administration"
    enable_nav_sidebar = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's, without its redirect to an object's own page: nothing has one, and it fails at an id that is no UUID."""
        return [pattern for pattern in super().get_urls() if getattr(pattern, "name", None) != "view_on_site"]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.user.is_authenticated:
            raise PermissionDenied("The platform administration is for platform staff.")
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
