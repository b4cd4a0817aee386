from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from config.lib.gauges import DatabaseCollector
from config.lib.worker import claims


class DutyCollector(DatabaseCollector):
    """How late each duty is. A running duty counts as late from its due time until it ends."""

    def read(self) -> Iterator[GaugeMetricFamily]:
        labels = ["duty", "place"]
        lag = GaugeMetricFamily(
            "keyway_duty_lag_seconds", "How late a duty of the worker is, 0 on time.", labels=labels
        )
        failures = GaugeMetricFamily(
            "keyway_duty_failures", "Failed runs of a duty in a row.", labels=labels
        )
        for standing in claims.standings():
            name, _, place = standing.duty.name.partition("@")
            lag.add_metric([name, place], standing.late.total_seconds())
            failures.add_metric([name, place], standing.duty.failures)
        yield lag
        yield failures
