from django.apps import AppConfig

from config.lib.converters import register_id


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "Tenants"

    def ready(self) -> None:
        from tenants import checks  # noqa: F401, PLC0415  registers itself

        for prefix in ("mem", "agt", "fam"):
            register_id(prefix)
