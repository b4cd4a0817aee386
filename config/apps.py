"""Django's admin app with Keyway's own site."""

from django.contrib.admin.apps import AdminConfig


class PlatformAdminConfig(AdminConfig):
    default_site = "config.pages.admin.PlatformAdminSite"
