from django.apps import AppConfig

from config.lib.converters import register_id


class ApikeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        from apikeys import checks, wording  # noqa: F401, PLC0415  checks register themselves
        from apikeys.api.schema import hooks  # noqa: F401, PLC0415  registers itself
        from apikeys.notices import duties as notices  # noqa: PLC0415
        from apikeys.notices import origins  # noqa: PLC0415
        from apikeys.services import duties as key_duties  # noqa: PLC0415
        from apikeys.usage import duties  # noqa: PLC0415
        from apikeys.usage.spool.state import SpoolCollector, spool_is_writable  # noqa: PLC0415
        from config.lib import metrics, readiness  # noqa: PLC0415
        from tenants.sign_in.arrivals import on_sign_in  # noqa: PLC0415

        for prefix in ("key", "sec", "hov", "whk", "dlv", "req"):
            register_id(prefix)
        duties.register()
        key_duties.register()
        notices.register()
        on_sign_in(origins.note_sign_in)
        wording.register()
        metrics.register(SpoolCollector())
        readiness.need("spool", spool_is_writable)
