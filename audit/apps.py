from django.apps import AppConfig

from config.lib.converters import register_id


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        register_id("evt")
