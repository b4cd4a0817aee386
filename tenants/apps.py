from django.apps import AppConfig

from config.lib.converters import register_id


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "Tenants"

    def ready(self) -> None:
        from audit.activity.arrivals import on_arrival  # noqa: PLC0415
        from tenants import checks  # noqa: F401, PLC0415  registers itself
        from tenants.agents.services import note_batch  # noqa: PLC0415

        on_arrival(note_batch)
        for prefix in ("mem", "agt", "fam"):
            register_id(prefix)
