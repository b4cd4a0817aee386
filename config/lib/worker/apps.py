from datetime import timedelta

from django.apps import AppConfig


class WorkerConfig(AppConfig):
    name = "config.lib.worker"
    label = "worker"
    verbose_name = "Worker"

    def ready(self) -> None:
        from config.lib import metrics  # noqa: PLC0415  models need the app registry
        from config.lib.worker import claims, duties  # noqa: PLC0415
        from config.lib.worker.lag import DutyCollector  # noqa: PLC0415

        metrics.register(DutyCollector())
        duties.register("prune_duties", every=timedelta(hours=1), run=claims.prune)
