from datetime import timedelta

from django.apps import AppConfig

from config.lib.converters import register_id


class OAuthConfig(AppConfig):
    name = "apikeys.oauth"
    label = "oauth"
    verbose_name = "OAuth"

    def ready(self) -> None:
        from apikeys.oauth import tokens  # noqa: PLC0415  models need the app registry
        from config.lib.worker import duties  # noqa: PLC0415

        duties.register("prune_oauth", every=timedelta(hours=1), run=tokens.prune)
        register_id("app")
