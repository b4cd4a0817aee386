import json
import secrets
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apikeys import services as keys
from apikeys.management import demo
from apikeys.models import Key
from apikeys.services import Issued, Order
from audit.activity import batch, ingest
from audit.activity.arrivals import Arrival
from audit.trail.actor import Actor
from config.lib.environment import Environment
from config.lib.ids import encode
from tenants import services as tenants
from tenants.agents import services as agents
from tenants.models import AgentConfiguration, Membership, Organization, User
from tenants.roles import Role

SEED = Actor.system("seed_demo")
LIVE_HOSTS = ("sql-prod-01", "sql-prod-02", "sql-prod-03")
BATCH = 1000


class Command(BaseCommand):
    help = "Create demo data: organizations Acme and Globex with users, agents, activity and keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help="print all ids, passwords and secrets as one JSON object",
        )
        parser.add_argument("--force", action="store_true", help="run even if DEBUG is off")
        parser.add_argument(
            "--if-empty",
            action="store_true",
            help="do nothing and succeed if the database already has a user",
        )
        parser.add_argument(
            "--events",
            type=int,
            default=2400,
            help="number of activity events (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG and not options["force"]:
            raise CommandError(
                "DEBUG is off, so this may be a real installation. Pass --force to create the demo."
            )
        if User.objects.exists() or Organization.objects.exists():
            if options["if_empty"]:
                return
            raise CommandError("The database is not empty. Nothing was changed.")
        with transaction.atomic():
            seeded = _Demo(timezone.now(), options["events"]).build()
        if options["json"]:
            self.stdout.write(json.dumps(seeded))
            return
        for user in seeded["users"]:
            self.stdout.write(
                f"{user['email']:28} {user['password']}  {user['role'] or 'platform staff'}"
            )


class _Demo:
    def __init__(self, now: datetime, events: int) -> None:
        self.now = now
        self.events = events
        self.users: list[dict[str, Any]] = []
        self.keys: list[dict[str, Any]] = []

    def build(self) -> dict[str, Any]:
        acme = self._organization("Acme", "acme")
        globex = self._organization("Globex", "globex")
        alice = self._member(acme, "Alice Archer", Role.ADMIN)
        bob = self._member(acme, "Bob Brandt", Role.MEMBER)
        self._member(acme, "Carol Chen", Role.AUDITOR)
        mallory = self._member(globex, "Mallory Moss", Role.ADMIN)
        self._user("Staff Stone", "staff@keyway.example", is_staff=True, is_superuser=True)
        self._keys_of_acme(alice, bob)
        self._keys_of_globex(mallory)
        organizations = [
            {"id": o.public_id, "name": o.name, "slug": o.slug} for o in (acme, globex)
        ]
        return {"organizations": organizations, "users": self.users, "keys": self.keys}

    def _keys_of_acme(self, alice: Membership, bob: Membership) -> None:
        production = self._agent_key(alice, "Production SQL 01 Agent")
        self._agent_key(alice, "Staging SQL Agent", environment=Environment.TEST)
        old = self._agent_key(alice, "Production SQL 01 Agent (2025)")
        keys.revoke(key=old.key, by=_by(alice), reason="Replaced")
        self._public_key(alice, "SIEM Integration", expires_at=self.now + timedelta(days=90))
        script = self._public_key(bob, "Audit Export Script")
        self._public_key(
            bob,
            "Export script in CI",
            environment=Environment.TEST,
            expires_at=self.now + timedelta(days=9),
        )
        self._activity(alice.organization, production, LIVE_HOSTS, self.events)
        Key.objects.filter(pk=script.key.pk).update(
            last_used_at=self.now - timedelta(minutes=2), last_used_ip="10.20.1.14"
        )
        Key.objects.filter(pk=production.key.pk).update(
            last_used_at=self.now, last_used_ip="10.20.0.11"
        )

    def _keys_of_globex(self, mallory: Membership) -> None:
        agent = self._agent_key(mallory, "Globex SQL Agent")
        self._public_key(mallory, "Globex export")
        self._activity(mallory.organization, agent, ("globex-sql-1",), self.events // 8)

    def _organization(self, name: str, slug: str) -> Organization:
        return tenants.create_organization(name=name, slug=slug, by=SEED)

    def _user(self, name: str, email: str, **flags: bool) -> User:
        password = secrets.token_urlsafe(12)
        user = User.objects.create_user(email, password, name=name, **flags)
        self.users.append(
            {
                "id": user.public_id,
                "email": email,
                "password": password,
                "organization": None,
                "role": None,
            }
        )
        return user

    def _member(self, organization: Organization, name: str, role: Role) -> Membership:
        user = self._user(name, f"{name.split(maxsplit=1)[0].lower()}@{organization.slug}.example")
        self.users[-1] |= {"organization": organization.public_id, "role": role.value}
        return tenants.add_member(organization=organization, user=user, role=role, by=SEED)

    def _agent_key(self, admin: Membership, name: str, **order: Any) -> Issued:
        issued = keys.issue_agent_key(
            organization=admin.organization,
            order=Order(name, **order),
            by=_by(admin),
            created_by=admin.user,
        )
        return self._listed(issued)

    def _public_key(self, owner: Membership, name: str, **order: Any) -> Issued:
        scopes = ["read:audit-activity"]
        return self._listed(
            keys.issue_public_key(
                owner=owner, order=Order(name, **order), scopes=scopes, by=_by(owner)
            )
        )

    def _listed(self, issued: Issued) -> Issued:
        key = issued.key
        self.keys.append(
            {
                "id": key.public_id,
                "kind": key.kind,
                "environment": key.environment,
                "organization": key.organization.public_id,
                "owner": encode("usr", key.owner.user_id) if key.owner else None,
                "scopes": sorted(key.granted_scopes),
                "secret": issued.plaintext.reveal(),
            }
        )
        return issued

    def _activity(
        self, organization: Organization, key: Issued, hosts: tuple[str, ...], count: int
    ) -> None:
        """Ingest events and heartbeats as agents would send them.

        One agent ends up late, one silent.
        """
        events = list(
            demo.activity(
                hosts=hosts, count=count, until=self.now, span=timedelta(days=30), seed=len(hosts)
            )
        )
        for start in range(0, len(events), BATCH):
            verdicts = batch.read_array(msgspec.json.encode(events[start : start + BATCH]))
            ingest.receive(
                partition=ingest.Partition(organization.pk, Environment.LIVE),
                verdicts=verdicts,
                at=self.now,
            )
        interval = AgentConfiguration.objects.get(organization=organization).heartbeat_interval
        for host, beats_ago in zip(hosts, (0.3, 0.6, 40), strict=False):
            at = self.now - interval * beats_ago
            by = Actor(kind="key", id=key.key.public_id, name=key.key.name)
            presence = agents.Presence(organization.pk, Environment.LIVE, key.key.pk, at, by)
            agents.note_batch(
                Arrival(organization.pk, Environment.LIVE, key.key.pk, [host], at, by)
            )
            agents.heartbeat(
                presence,
                host=host,
                version="1.0.0",
                configuration_version=1,
                queue_depth=int(beats_ago),
            )


def _by(membership: Membership) -> Actor:
    return Actor(kind="user", id=membership.user.public_id, name=membership.user.email)
