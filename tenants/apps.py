from datetime import timedelta

from django.apps import AppConfig
from django.utils import timezone

from config.lib.converters import register_id


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "Tenants"

    def ready(self) -> None:
        from audit.activity.arrivals import on_arrival  # noqa: PLC0415
        from config.lib.worker import duties  # noqa: PLC0415
        from tenants import checks  # noqa: F401, PLC0415  importing it registers the checks
        from tenants.agents.services import note_batch  # noqa: PLC0415
        from tenants.sign_in.tokens import services as tokens  # noqa: PLC0415

        on_arrival(note_batch)
        duties.register(
            "prune_user_tokens",
            every=timedelta(minutes=10),
            run=lambda: tokens.prune(before=timezone.now()),
        )
        for prefix in ("org", "mem", "agt", "fam", "dom"):
            register_id(prefix)
