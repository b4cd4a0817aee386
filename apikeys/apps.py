from django.apps import AppConfig

from config.lib.converters import register_id


class ApikeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        from apikeys import checks  # noqa: F401, PLC0415  registers itself
        from apikeys.api.schema import hooks  # noqa: F401, PLC0415  registers itself

        register_id("key")
