"""Administration → Tenant Agents: one row per organization whose agents the user may read."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apikeys.insights import count_active_agent_keys
from audit.models import ActivityEvent
from config.lib.environment import Environment
from config.lib.snapshot import one_snapshot
from tenants.access import Access, Reach
from tenants.agents import services as agents
from tenants.models import Agent, Health, Organization
from tenants.roles import Permission
from tenants.sign_in.recent import person
from tenants.views.organizations import query_of

EVENTS_WITHIN = timedelta(hours=24)
PER_PAGE = 25


@dataclass(frozen=True, slots=True)
class TenantInstance:
    access: Access
    health: Counter[Health]
    active_keys: int
    events: int
    last_heartbeat_at: datetime | None

    @property
    def organization(self) -> Organization:
        return self.access.organization

    @property
    def may_manage(self) -> bool:
        return self.access.may(Permission.MANAGE_AGENTS)

    @property
    def agents(self) -> int:
        return self.health.total()

    @property
    def healthy(self) -> int:
        return self.health[Health.HEALTHY]

    @property
    def late(self) -> int:
        return self.health[Health.LATE]

    @property
    def silent(self) -> int:
        return self.health[Health.SILENT]


@require_safe
@login_required
@one_snapshot()
def tenant_agents(request: HttpRequest) -> HttpResponse:
    reach = Reach.of(person(request))
    managed = reach.where(Permission.READ_AGENTS)
    total = managed.count()
    if not total:
        raise PermissionDenied(
            "Your role doesn't include access to agents. Ask an admin of your organization."
        )
    query = query_of(request)
    page = Paginator(managed.named_like(query), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "instances": tenant_instances(reach.into(page), timezone.now()),
        "query": query,
        "searchable": total > PER_PAGE or query,
        "total": total,
    }
    return render(request, "tenants/tenant_agents.html", context)


def tenant_instances(places: Sequence[Access], at: datetime) -> list[TenantInstance]:
    """Summarize each organization, in five queries however many there are."""
    organizations = [place.organization for place in places]
    health = agents.health_counts(organizations, at)
    keys = count_active_agent_keys(organizations, at)
    events = _events(organizations, at)
    heartbeats = _last_heartbeats(organizations)
    return [
        TenantInstance(place, health[pk], keys[pk], events[pk], heartbeats.get(pk))
        for place in places
        for pk in [place.organization.pk]
    ]


def _events(organizations: Sequence[Organization], at: datetime) -> Counter[uuid.UUID]:
    ids = [organization.pk for organization in organizations]
    recent = ActivityEvent.objects.filter(
        organization_id__in=ids, environment=Environment.LIVE, event_time__gte=at - EVENTS_WITHIN
    )
    return Counter(
        dict(recent.values_list("organization_id").annotate(count=Count("event_id")).order_by())
    )


def _last_heartbeats(organizations: Sequence[Organization]) -> dict[uuid.UUID, datetime | None]:
    heartbeats = Agent.objects.filter(organization__in=organizations).values_list("organization_id")
    return dict(heartbeats.annotate(latest=Max("last_heartbeat_at")).order_by())
