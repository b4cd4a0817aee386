"""The agents of one organization: their health, configuration and keys."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apikeys.kind import Kind
from apikeys.models import Key
from tenants.access import Access
from tenants.agents.services import configuration_in_force
from tenants.decorators import member_page
from tenants.models import Agent, AgentConfiguration, Health
from tenants.roles import Permission

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class AgentRow:
    agent: Agent
    health: Health
    key: Key | None
    in_force: AgentConfiguration

    @property
    def is_behind(self) -> bool:
        """Return whether the agent last reported an older configuration than the current one."""
        applied = self.agent.configuration_version
        return applied is not None and applied < self.in_force.version


@dataclass(frozen=True, slots=True)
class HealthTab:
    value: str
    label: str
    count: int
    is_current: bool


@require_safe
@member_page(Permission.READ_AGENTS)
def agents(request: HttpRequest, access: Access) -> HttpResponse:
    health = request.GET.get("health", "")
    rows = _rows(access, timezone.now())
    chosen = [row for row in rows if row.health == health] if health in Health.values else rows
    page = Paginator(chosen, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "organization": access.organization,
        "may_manage": access.may(Permission.MANAGE_AGENTS),
        "in_force": configuration_in_force(access.organization.pk),
        "has_agents": bool(rows),
        "tabs": _tabs(rows, health),
        "page": page,
    }
    return render(request, "tenants/agents.html", context)


def _rows(access: Access, at: datetime) -> list[AgentRow]:
    in_force = configuration_in_force(access.organization.pk)
    found = Agent.objects.for_organization(access.organization).order_by("host", "environment")
    names = _keys(access)
    return [
        AgentRow(
            agent, agent.health(at, in_force.heartbeat_interval), names.get(agent.key_id), in_force
        )
        for agent in found
    ]


def _keys(access: Access) -> dict[uuid.UUID | None, Key]:
    keys = Key.objects.for_organization(access.organization).of_kind(Kind.AGENT)
    return {key.pk: key for key in keys}


def _tabs(rows: list[AgentRow], current: str) -> list[HealthTab]:
    counts = {health: sum(row.health == health for row in rows) for health in Health}
    everything = HealthTab("", "All", len(rows), current not in Health.values)
    return [everything, *(HealthTab(h.value, h.label, counts[h], h == current) for h in Health)]
