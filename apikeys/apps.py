from django.apps import AppConfig

from config.lib.converters import register_id


class ApikeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        from apikeys import checks, schema  # noqa: F401, PLC0415  register themselves

        register_id("key")
