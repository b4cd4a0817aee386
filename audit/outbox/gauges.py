from collections.abc import Iterator

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from audit.outbox import deliver
from audit.outbox.models import Message
from config.lib.gauges import DatabaseCollector


class OutboxCollector(DatabaseCollector):
    def read(self) -> Iterator[GaugeMetricFamily]:
        now, zeros = timezone.now(), dict.fromkeys(deliver.kinds(), 0.0)
        waiting, oldest, given_up = dict(zeros), dict(zeros), dict(zeros)
        found = Message.objects.waiting().values_list("kind")
        for kind, count, since in found.annotate(Count("pk"), Min("created_at")):
            waiting[kind], oldest[kind] = count, max((now - since).total_seconds(), 0.0)
        ended = Message.objects.exclude(given_up_at=None).values_list("kind")
        given_up |= dict(ended.annotate(Count("pk")))
        told = {
            "keyway_outbox_waiting": ("Messages that wait to be sent.", waiting),
            "keyway_outbox_oldest_seconds": ("Age of the oldest message that waits.", oldest),
            "keyway_outbox_given_up": ("Messages given up in the last 30 days.", given_up),
        }
        for name, (meaning, values) in told.items():
            family = GaugeMetricFamily(name, meaning, labels=["kind"])
            for kind in sorted(values):
                family.add_metric([kind], values[kind])
            yield family
