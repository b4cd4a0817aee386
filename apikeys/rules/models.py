"""The key rules of an organization."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apikeys import networks
from apikeys.rules.judge import Issuers, Rules
from tenants.models import Organization

MOST_DAYS = 3653


def _days(column: str) -> Q:
    return Q(**{column: None}) | Q(**{f"{column}__gte": 1, f"{column}__lte": MOST_DAYS})


class KeyRules(models.Model):
    """One row per organization. An organization without a row demands nothing."""

    organization = models.OneToOneField(
        Organization, models.PROTECT, primary_key=True, related_name="key_rules"
    )
    version = models.PositiveIntegerField(default=1)
    issuers = models.CharField(max_length=8, choices=Issuers, default=Issuers.MEMBERS)
    longest_days = models.PositiveIntegerField(null=True, blank=True)
    allows_never = models.BooleanField(default=True)
    live_networks = models.JSONField(default=list, blank=True)
    needs_approval = models.BooleanField(default=False)
    rotate_live_days = models.PositiveIntegerField(null=True, blank=True)
    rotate_test_days = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "key rules"
        constraints = [
            models.CheckConstraint(
                condition=Q(issuers__in=Issuers.values), name="key_rules_issuers_are_known"
            ),
            models.CheckConstraint(
                condition=_days("longest_days"), name="longest_lifetime_is_1_day_to_10_years"
            ),
            models.CheckConstraint(
                condition=_days("rotate_live_days") & _days("rotate_test_days"),
                name="rotation_is_due_after_1_day_to_10_years",
            ),
        ]

    def __str__(self) -> str:
        return f"Key rules of {self.organization}"

    @property
    def rules(self) -> Rules:
        return Rules(
            issuers=Issuers(self.issuers),
            longest_days=self.longest_days,
            allows_never=self.allows_never,
            live_networks=networks.parse(self.live_networks),
            needs_approval=self.needs_approval,
            rotate_live_days=self.rotate_live_days,
            rotate_test_days=self.rotate_test_days,
        )
