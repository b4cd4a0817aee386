from django.apps import AppConfig

from config.lib.converters import register_id


class ApikeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        from apikeys import checks  # noqa: F401, PLC0415  registers itself
        from apikeys.api.schema import hooks  # noqa: F401, PLC0415  registers itself
        from apikeys.services import duties as key_duties  # noqa: PLC0415
        from apikeys.usage import duties  # noqa: PLC0415
        from apikeys.usage.spool.state import SpoolCollector, spool_is_writable  # noqa: PLC0415
        from config.lib import metrics, readiness  # noqa: PLC0415

        register_id("key")
        register_id("req")
        duties.register()
        key_duties.register()
        metrics.register(SpoolCollector())
        readiness.need("spool", spool_is_writable)
