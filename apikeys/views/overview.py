"""The overview page of an organization, and the redirect from ``/``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apikeys.kind import Kind
from apikeys.models import EXPIRING_WITHIN, Key, KeyQuerySet
from audit import trail
from audit.models import ActivityEvent, TrailEntry
from config.lib.environment import Environment
from tenants.access import Access, everywhere
from tenants.agents import services as agents
from tenants.decorators import LAST_ORGANIZATION, member_page
from tenants.models import Agent, Health
from tenants.roles import Permission

EVENTS_WITHIN = timedelta(hours=24)
LATEST = 6


@require_safe
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """Redirect to the organization opened last, or staff without one to Tenant Agents."""
    last = request.session.get(LAST_ORGANIZATION)
    own = everywhere(request.user)  # type: ignore[arg-type]
    own.sort(key=lambda place: place.organization.slug != last)
    if own:
        return redirect("organization_overview", own[0].organization.slug)
    if request.user.is_staff:
        return redirect("tenant_agents")
    return render(request, "tenants/no_organization.html")


@require_safe
@member_page(Permission.READ_ACTIVITY)
def organization_overview(request: HttpRequest, access: Access) -> HttpResponse:
    now = timezone.now()
    figures = OverviewFigures.of(access, now)
    return render(
        request,
        "tenants/overview.html",
        {
            "organization": access.organization,
            "figures": figures,
            "steps": first_steps(access) if access.may(Permission.MANAGE_AGENTS) else None,
            "entries": latest_entries(access),
            "now": now,
        },
    )


@dataclass(frozen=True, slots=True)
class OverviewFigures:
    """Counts shown on the overview.

    `health` and `agent_keys` are None for roles that cannot read agents. Roles that cannot read
    members see only their own keys.
    """

    events: int
    health: dict[str, int] | None
    agent_keys: int | None
    public_keys: int
    expiring: Sequence[Key]

    @classmethod
    def of(cls, access: Access, at: datetime) -> "OverviewFigures":
        keys = visible_keys(access).usable(at)
        expiring = keys.filter(expires_at__lte=at + EXPIRING_WITHIN)
        events = ActivityEvent.objects.filter(
            organization_id=access.organization.pk,
            environment=Environment.LIVE,
            event_time__gte=at - EVENTS_WITHIN,
        )
        reads_agents = access.may(Permission.READ_AGENTS)
        return cls(
            events=events.count(),
            health=_health(access, at) if reads_agents else None,
            agent_keys=keys.of_kind(Kind.AGENT).count() if reads_agents else None,
            public_keys=keys.of_kind(Kind.PUBLIC).count(),
            expiring=list(expiring.soonest_expiry_first().prefetch_related("secrets")),
        )

    @property
    def agents(self) -> int:
        return sum(self.health.values()) if self.health else 0


def visible_keys(access: Access) -> KeyQuerySet:
    """Return the organization's keys, or only the user's own if they cannot read its members."""
    keys = Key.objects.for_organization(access.organization)
    return keys if access.may(Permission.READ_MEMBERS) else keys.filter(owner=access.membership)


def _health(access: Access, at: datetime) -> dict[str, int]:
    counts = agents.health_counts([access.organization], at)[access.organization.pk]
    return {health.value: counts[health] for health in Health}


def latest_entries(access: Access) -> Sequence[TrailEntry] | None:
    """Return the latest trail entries, or None for roles that cannot read the trail."""
    return (
        list(trail.entries_of(access.organization.pk)[:LATEST])
        if access.may(Permission.READ_TRAIL)
        else None
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """The first steps in a new organization, and which of them are done."""

    agent_key: bool
    agent: bool
    events: bool
    public_key: bool

    @property
    def walked(self) -> int:
        return sum((self.agent_key, self.agent, self.events, self.public_key))

    @property
    def next(self) -> str:
        """Return the first step that is not done, or "" if all are."""
        return next(
            (
                name
                for name in ("agent_key", "agent", "events", "public_key")
                if not getattr(self, name)
            ),
            "",
        )


def first_steps(access: Access) -> Steps | None:
    """Return the steps, or None once all of them are done."""
    keys = Key.objects.for_organization(access.organization)
    steps = Steps(
        agent_key=keys.of_kind(Kind.AGENT).exists(),
        agent=Agent.objects.for_organization(access.organization).exists(),
        events=ActivityEvent.objects.filter(organization_id=access.organization.pk).exists(),
        public_key=keys.of_kind(Kind.PUBLIC).exists(),
    )
    return steps if steps.next else None
