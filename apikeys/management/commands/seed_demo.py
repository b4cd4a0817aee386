import json
import random
import secrets
import uuid
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apikeys import networks
from apikeys import services as keys
from apikeys.authority import Authority
from apikeys.management import demo, demo_usage
from apikeys.management.demo_usage import BEAT, READ, SEND, Traffic
from apikeys.oauth import services as oauth
from apikeys.oauth.models import Purpose
from apikeys.services import Issued, Order, Overlap
from apikeys.services.callers import Caller, IssuingPlace
from audit.activity import batch, ingest
from audit.activity.arrivals import Arrival
from audit.trail.actor import Actor
from config.lib.environment import Environment
from config.lib.ids import encode
from tenants import services as tenants
from tenants.access import Access
from tenants.agents import services as agents
from tenants.models import AgentConfiguration, Membership, Organization, User
from tenants.roles import Role

SEED = Actor.system("seed_demo")
LIVE_HOSTS = ("sql-prod-01", "sql-prod-02", "sql-prod-03")
MOVED_HOST, REMAINING_HOST = "sql-report-01", "sql-report-02"
SCOPES = ["read:audit-activity"]
GRACE = timedelta(days=7)
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
        parser.add_argument(
            "--usage-days",
            type=int,
            default=30,
            help="days of usage of the keys, 0 for none (default: %(default)s)",
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
            seeded = _Demo(timezone.now(), options["events"], options["usage_days"]).build()
        if options["json"]:
            self.stdout.write(json.dumps(seeded))
            return
        for user in seeded["users"]:
            self.stdout.write(
                f"{user['email']:28} {user['password']}  {user['role'] or 'platform staff'}"
            )


class _Demo:
    def __init__(self, now: datetime, events: int, usage_days: int) -> None:
        self.now = now
        self.events = events
        self.usage_days = usage_days
        self.traffic: list[Traffic] = []
        self.agents: list[dict[str, str]] = []
        self.applications: list[dict[str, str]] = []
        self.users: list[dict[str, Any]] = []
        self.keys: list[dict[str, Any]] = []

    def build(self) -> dict[str, Any]:
        acme = self._organization("Acme", "acme")
        globex = self._organization("Globex", "globex")
        alice = self._member(acme, "Alice Archer", Role.ADMIN)
        bob = self._member(acme, "Bob Brandt", Role.MEMBER)
        self._member(acme, "Carol Chen", Role.AUDITOR)
        olivia = self._member(acme, "Olivia Ortiz", Role.OWNER)
        mallory = self._member(globex, "Mallory Moss", Role.ADMIN)
        self._user("Staff Stone", "staff@keyway.example", is_staff=True, is_superuser=True)
        self._keys_of_acme(alice, bob)
        self._keys_of_globex(mallory)
        self._more_of_acme(olivia, alice, bob)
        if self.usage_days:
            since = self.now - timedelta(days=self.usage_days)
            demo_usage.record(self.traffic, since=since, until=self.now, seed=self.usage_days)
        self._rotate_half(alice)
        organizations = [
            {"id": o.public_id, "name": o.name, "slug": o.slug} for o in (acme, globex)
        ]
        return {
            "organizations": organizations,
            "users": self.users,
            "keys": self.keys,
            "applications": self.applications,
            "agents": self.agents,
        }

    def _keys_of_acme(self, alice: Membership, bob: Membership) -> None:
        production = self._agent_key(alice, "Production SQL 01 Agent")
        self._agent_key(alice, "Staging SQL Agent", environment=Environment.TEST)
        old = self._agent_key(alice, "Production SQL 01 Agent (2025)")
        keys.revoke(key=old.key, by=_by(alice), reason="Replaced")
        siem = self._public_key(alice, "SIEM Integration", expires_at=self.now + timedelta(days=90))
        script = self._public_key(bob, "Audit Export Script")
        self._public_key(
            bob,
            "Export script in CI",
            environment=Environment.TEST,
            expires_at=self.now + timedelta(days=9),
        )
        self._activity(alice.organization, production, LIVE_HOSTS, self.events)
        for host, address in zip(
            LIVE_HOSTS, ("10.20.0.11", "10.20.0.12", "10.20.0.13"), strict=True
        ):
            self._agent(production, host, address)
        self._script(siem, 8, "10.20.2.5", "siem-forwarder/3.1", denial="insufficient_scope")
        self._script(script, 6, "10.20.1.14", "python-requests/2.32")

    def _keys_of_globex(self, mallory: Membership) -> None:
        agent = self._agent_key(mallory, "Globex SQL Agent")
        self._agent(agent, "globex-sql-1", "10.40.0.11")
        self._script(self._public_key(mallory, "Globex export"), 2, "10.40.1.9", "curl/8.5")
        self._activity(mallory.organization, agent, ("globex-sql-1",), self.events // 8)

    def _more_of_acme(self, olivia: Membership, alice: Membership, bob: Membership) -> None:
        """Create a bound key, an organization key, an application and a request that waits."""
        # With this machine's addresses, so that a visitor can use the key too.
        bound = self._public_key(
            alice,
            "Warehouse Sync",
            allowed=networks.parse(["10.20.0.0/16", "127.0.0.1/32", "::1/128"]),
        )
        self._script(bound, 4, "10.20.3.7", "warehouse-sync/1.4")
        self._script(bound, 0.5, "203.0.113.40", "warehouse-sync/1.4", denial="ip_not_allowed")
        place = Access(olivia.user, olivia.organization, olivia)
        shared = keys.issue_organization_key(
            organization=olivia.organization,
            order=Order("Compliance Reports", held_by="Reporting server"),
            scopes=SCOPES,
            by=_by(olivia),
            created_by=olivia.user,
            within=Authority.of_person(place.permissions),
        )
        self._script(self._listed(shared), 3, "10.20.2.8", "reports/2.0")
        draft = oauth.Draft(name="Orders Dashboard", purpose=Purpose.SERVICE, scopes=SCOPES)
        made = oauth.register(
            organization=alice.organization, draft=draft, by=_by(alice), created_by=alice.user
        )
        secret = made.plaintext.reveal() if made.plaintext else ""
        self.applications.append({"id": made.application.public_id, "secret": secret})
        # Approval is switched off again: visitors and scripts can issue live keys at once.
        keys.change_rules(place=place, changes={"needs_approval": True})
        keys.request_key(
            caller=Caller.person(bob.user),
            place=IssuingPlace(bob.organization, bob),
            order=Order("Quarterly Review", description="For the auditors' review in Q4"),
            scopes=SCOPES,
        )
        keys.change_rules(place=place, changes={"needs_approval": False})

    def _rotate_half(self, alice: Membership) -> None:
        """Rotate the key of two agents. With usage, one of them has moved to the new secret."""
        old = self._agent_key(alice, "Reporting SQL Agents")
        old_secret = old.key.secrets.get().pk
        rotated = keys.rotate(
            key=old.key,
            overlap=Overlap(GRACE),
            within=Authority.of_key(old.key.granted_scopes, old.key.environment, None, ()),
            by=_by(alice),
        )
        secrets_of = {
            MOVED_HOST: (old.key.secrets.pending().get().pk, rotated.plaintext),
            REMAINING_HOST: (old_secret, old.plaintext),
        }
        uses = []
        for host, (secret_id, plaintext) in secrets_of.items():
            at = timezone.now()
            self._heartbeat(old, host, at, secret_id=secret_id)
            self.agents.append({"host": host, "secret": plaintext.reveal()})
            traffic = Traffic(
                old.key, secret_id, (BEAT,), 4, "10.20.0.21", "keyway-agent/1.0.0", is_steady=True
            )
            uses.append(demo_usage.line(traffic, at, random.Random(0)))  # noqa: S311  a demo
        if self.usage_days:
            demo_usage.drain(uses)

    def _agent(self, issued: Issued, host: str, address: str) -> None:
        self.agents.append({"host": host, "secret": issued.plaintext.reveal()})
        secret = issued.key.secrets.get().pk
        self.traffic.append(
            Traffic(
                issued.key, secret, (BEAT, SEND), 4, address, "keyway-agent/1.0.0", is_steady=True
            )
        )

    def _script(
        self, issued: Issued, per_hour: float, address: str, program: str, *, denial: str = ""
    ) -> None:
        secret = issued.key.secrets.get().pk
        self.traffic.append(
            Traffic(issued.key, secret, (READ,), per_hour, address, program, denial=denial)
        )

    def _heartbeat(self, issued: Issued, host: str, at: datetime, *, secret_id: uuid.UUID) -> None:
        key = issued.key
        by = Actor(kind="key", id=key.public_id, name=key.name)
        agents.heartbeat(
            agents.Presence(key.organization_id, Environment.LIVE, key.pk, at, by, secret_id),
            host=host,
            version="1.0.0",
            configuration_version=1,
            queue_depth=0,
        )

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
        return self._listed(
            keys.issue_public_key(
                owner=owner, order=Order(name, **order), scopes=SCOPES, by=_by(owner)
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
