from datetime import timedelta

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "audit.outbox"
    label = "outbox"
    verbose_name = "Outbox"

    def ready(self) -> None:
        from audit.outbox import deliver, mail, store  # noqa: PLC0415  models need the app registry
        from audit.outbox.gauges import OutboxCollector  # noqa: PLC0415
        from config.lib import metrics  # noqa: PLC0415
        from config.lib.worker import duties  # noqa: PLC0415

        metrics.register(OutboxCollector())
        deliver.register("email", mail.send, duty="send_outbox")
        duties.register("prune_outbox", every=timedelta(hours=1), run=store.prune)
