"""Register agents, count them by health and version their configuration."""

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
    """Who is calling as an agent: the organization and environment, the key, and the time.

    `secret_id` is the secret of the key that was presented.
    """

    organization_id: uuid.UUID
    environment: str
    key_id: uuid.UUID | None
    at: datetime
    by: Actor
    secret_id: uuid.UUID | None = None


def heartbeat(
    presence: Presence,
    *,
    host: str,
    version: str,
    configuration_version: int | None,
    queue_depth: int | None,
) -> Agent:
    """Record a heartbeat. The first one registers the agent."""
    fields = {
        "version": version,
        "configuration_version": configuration_version,
        "queue_depth": queue_depth,
    }
    with transaction.atomic():
        _refresh(presence, [host], last_heartbeat_at=presence.at, **fields)
        return Agent.objects.get(
            organization_id=presence.organization_id, environment=presence.environment, host=host
        )


def note_batch(arrival: Arrival) -> None:
    """Record that a batch arrived. It proves that the agent of every host in it is alive."""
    presence = Presence(
        arrival.organization_id,
        arrival.environment,
        arrival.key_id,
        arrival.at,
        arrival.by,
        arrival.secret_id,
    )
    _refresh(presence, arrival.hosts, last_batch_at=arrival.at)


@transaction.atomic(savepoint=False)
def _refresh(presence: Presence, hosts: Iterable[str], **fields: Any) -> None:
    """Update the agents of these hosts, registering new ones."""
    fields |= {
        "last_seen_at": presence.at,
        "key_id": presence.key_id,
        "secret_id": presence.secret_id,
    }
    registered = []
    # Sorted: every request locks agents in the same order, so two batches that name the same hosts
    # cannot deadlock.
    for host in sorted(hosts):
        which: dict[str, Any] = {
            "organization_id": presence.organization_id,
            "environment": presence.environment,
            "host": host,
        }
        # Nearly every agent exists already, and one UPDATE is enough.
        if not Agent.objects.filter(**which).update(**fields):
            agent, is_new = Agent.objects.update_or_create(**which, defaults=fields)
            registered += [agent] if is_new else []
    # The trail last, outside the loop above: its head is one row per organization, and holding it
    # while waiting for an agent's row could deadlock with a request that holds the agent's row.
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
    """Save a version based on `current`. Raises StaleConfiguration if another came first.

    The database decides the race: the version number is unique per organization.
    """
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
    """Count the agents of each organization by health, in two queries."""
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
