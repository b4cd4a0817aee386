from django.apps import AppConfig

from config.lib.converters import register_id


class OAuthConfig(AppConfig):
    name = "apikeys.oauth"
    label = "oauth"
    verbose_name = "OAuth"

    def ready(self) -> None:
        register_id("app")
