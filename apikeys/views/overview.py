"""The overview page of an organization, and the redirect from ``/``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apikeys.insights import Selection, condition, select
from apikeys.kind import Kind
from apikeys.models import Key, KeyQuerySet
from audit import trail
from audit.models import ActivityEvent, TrailEntry
from config.lib.environment import Environment
from tenants.access import Access, everywhere
from tenants.agents import services as agents
from tenants.decorators import LAST_ORGANIZATION, member_page
from tenants.models import Health
from tenants.roles import Permission

EVENTS_WITHIN = timedelta(hours=24)
LATEST = 6
MOST_EXPIRING = 5


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
            "steps": first_steps(access, figures) if access.may(Permission.MANAGE_AGENTS) else None,
            "entries": latest_entries(access),
            "now": now,
        },
    )


@dataclass(frozen=True, slots=True)
class OverviewFigures:
    """Counts shown on the overview, and the keys that expire first.

    `health` and `agent_keys` are None for roles that cannot read agents. Roles that cannot read
    members see only their own keys.
    """

    events: int
    health: dict[str, int] | None
    keys: "KeyCounts"
    expiring: Sequence[Key]

    @classmethod
    def of(cls, access: Access, at: datetime) -> "OverviewFigures":
        keys = visible_keys(access)
        expiring = select(keys, Selection.EXPIRING, at).soonest_expiry_first()
        events = ActivityEvent.objects.filter(
            organization_id=access.organization.pk,
            environment=Environment.LIVE,
            event_time__gte=at - EVENTS_WITHIN,
        )
        reads_agents = access.may(Permission.READ_AGENTS)
        return cls(
            events=events.count(),
            health=_health(access, at) if reads_agents else None,
            keys=KeyCounts.of(keys, at),
            expiring=list(
                expiring.select_related("organization", "owner__user").prefetch_related("secrets")[
                    :MOST_EXPIRING
                ]
            ),
        )

    @property
    def agents(self) -> int:
        return sum(self.health.values()) if self.health else 0


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """Keys by kind, active ones and all, and the active ones that expire soon."""

    agent: int
    public: int
    expiring: int
    ever_agent: int
    ever_public: int

    @classmethod
    def of(cls, keys: KeyQuerySet, at: datetime) -> "KeyCounts":
        """Count in one query."""
        active = condition(Selection.ACTIVE, at)
        agent, public = Q(kind=Kind.AGENT), Q(kind=Kind.PUBLIC)
        wanted = {
            "agent": active & agent,
            "public": active & public,
            "expiring": condition(Selection.EXPIRING, at),
            "ever_agent": agent,
            "ever_public": public,
        }
        return cls(**keys.aggregate(**{name: Count("pk", filter=q) for name, q in wanted.items()}))


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


def first_steps(access: Access, figures: OverviewFigures) -> Steps | None:
    """Return the steps, or None once all of them are done."""
    events = ActivityEvent.objects.filter(organization_id=access.organization.pk)
    steps = Steps(
        agent_key=figures.keys.ever_agent > 0,
        agent=figures.agents > 0,
        events=figures.events > 0 or events.exists(),
        public_key=figures.keys.ever_public > 0,
    )
    return steps if steps.next else None
