"""The agents of one organization: how they are, what they run, and with which key they come."""

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
class Row:
    agent: Agent
    health: Health
    key: Key | None
    in_force: AgentConfiguration

    @property
    def is_behind(self) -> bool:
        """Whether the agent told that it runs an older configuration than the one in force."""
        applied = self.agent.configuration_version
        return applied is not None and applied < self.in_force.version


@dataclass(frozen=True, slots=True)
class Tab:
    value: str
    label: str
    count: int
    is_current: bool


@require_safe
@member_page(Permission.READ_AGENTS)
def agents(request: HttpRequest, access: Access) -> HttpResponse:
    asked = request.GET.get("health", "")
    rows = _rows(access, timezone.now())
    chosen = [row for row in rows if row.health == asked] if asked in Health.values else rows
    page = Paginator(chosen, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "organization": access.organization,
        "may_manage": access.may(Permission.MANAGE_AGENTS),
        "in_force": configuration_in_force(access.organization.pk),
        "has_agents": bool(rows),
        "tabs": _tabs(rows, asked),
        "page": page,
    }
    return render(request, "tenants/agents.html", context)


def _rows(access: Access, at: datetime) -> list[Row]:
    in_force = configuration_in_force(access.organization.pk)
    found = Agent.objects.for_organization(access.organization).order_by("host", "environment")
    names = _keys(access)
    return [
        Row(agent, agent.health(at, in_force.heartbeat_interval), names.get(agent.key_id), in_force)
        for agent in found
    ]


def _keys(access: Access) -> dict[uuid.UUID | None, Key]:
    keys = Key.objects.for_organization(access.organization).of_kind(Kind.AGENT)
    return {key.pk: key for key in keys}


def _tabs(rows: list[Row], asked: str) -> list[Tab]:
    counts = {health: sum(row.health == health for row in rows) for health in Health}
    everything = Tab("", "All", len(rows), asked not in Health.values)
    return [everything, *(Tab(h.value, h.label, counts[h], h == asked) for h in Health)]
