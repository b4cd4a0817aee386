"""Agents: how they make themselves known, how healthy they are, what they are told to do."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from audit import trail
from audit.activity.arrivals import Arrival
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.errors import StaleConfiguration
from tenants.models import Agent, AgentConfiguration, Health, Organization


@dataclass(frozen=True, slots=True)
class Presence:
    """What an agent's request says about the agent: whose it is, with which key, and when."""

    organization_id: uuid.UUID
    environment: str
    key_id: uuid.UUID | None
    at: datetime
    by: Actor


def heartbeat(
    presence: Presence,
    *,
    host: str,
    version: str,
    configuration_version: int | None,
    queue_depth: int | None,
) -> Agent:
    """Take a sign of life; the first one registers the agent."""
    facts = {
        "version": version,
        "configuration_version": configuration_version,
        "queue_depth": queue_depth,
    }
    with transaction.atomic():
        _see(presence, [host], last_heartbeat_at=presence.at, **facts)
        return Agent.objects.get(
            organization_id=presence.organization_id, environment=presence.environment, host=host
        )


def note_batch(arrival: Arrival) -> None:
    """Take a batch as a sign of life of every host in it."""
    presence = Presence(
        arrival.organization_id, arrival.environment, arrival.key_id, arrival.at, arrival.by
    )
    _see(presence, arrival.hosts, last_batch_at=arrival.at)


@transaction.atomic(savepoint=False)
def _see(presence: Presence, hosts: Iterable[str], **facts: Any) -> None:
    """Refresh the hosts' agents, or register them.

    Rows are locked in one order by everybody, agents by host and the trail last, so that no two requests
    wait for each other in a circle.
    """
    facts |= {"last_seen_at": presence.at, "key_id": presence.key_id}
    registered = []
    for host in sorted(hosts):
        which: dict[str, Any] = {
            "organization_id": presence.organization_id,
            "environment": presence.environment,
            "host": host,
        }
        # Nearly every agent is known, and takes one statement.
        if not Agent.objects.filter(**which).update(**facts):
            agent, is_new = Agent.objects.update_or_create(**which, defaults=facts)
            registered += [agent] if is_new else []
    for agent in registered:
        trail.record(
            Action.AGENT_REGISTERED,
            organization=presence.organization_id,
            by=presence.by,
            target=agent.as_target(),
            data={"environment": presence.environment},
        )


def configuration_in_force(organization_id: uuid.UUID) -> AgentConfiguration:
    return AgentConfiguration.objects.filter(organization_id=organization_id).latest()


def change_configuration(
    *, current: AgentConfiguration, changes: Mapping[str, Any], by: Actor
) -> AgentConfiguration:
    """Save a new version after `current`. Raises StaleConfiguration if another one got there first."""
    changed = {name: value for name, value in changes.items() if getattr(current, name) != value}
    if not changed:
        return current
    fields = (
        "heartbeat_interval_seconds",
        "batch_size",
        "actions",
        "include_objects",
        "exclude_objects",
    )
    values = {name: getattr(current, name) for name in fields} | changed
    try:
        with transaction.atomic():
            configuration = AgentConfiguration.objects.create(
                organization=current.organization,
                version=current.version + 1,
                created_by=by.name,
                **values,
            )
            trail.record(
                Action.AGENT_CONFIGURATION_CHANGED,
                organization=current.organization_id,
                by=by,
                target=current.organization.as_target(),
                data={"version": configuration.version, "changed": changed},
            )
    except IntegrityError as error:
        raise StaleConfiguration() from error
    return configuration


def health_counts(
    organizations: Iterable[Organization], at: datetime
) -> dict[uuid.UUID, Counter[Health]]:
    """Agents by health for each organization, in two queries."""
    ids = [organization.pk for organization in organizations]
    newest = AgentConfiguration.objects.filter(organization_id__in=ids).order_by(
        "organization_id", "version"
    )
    intervals = {
        configuration.organization_id: configuration.heartbeat_interval for configuration in newest
    }
    counts: dict[uuid.UUID, Counter[Health]] = {pk: Counter() for pk in ids}
    for agent in Agent.objects.filter(organization_id__in=ids):
        counts[agent.organization_id][agent.health(at, intervals[agent.organization_id])] += 1
    return counts
