"""Random sequences of issue, request, approve, collect, edit, rotate, delegate, revoke, and of
changes of roles and key rules, by people and keys.

Each step presents every secret that was ever handed out. A secret must not do anything that its
issuer could not do at that moment, nor anyone who widened its key since. A collected key must not
do anything that its requester or its approver could not do. This module has its own table of what
people may do, and finds out what a key may do by presenting it. It does not use apikeys.authority.

    KEYWAY_ESCALATION_SEQUENCES=10000 pytest -n 0 -s tests/apikeys/test_escalation.py -k no_sequence
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apikeys import networks, services
from apikeys.models import Key, KeyRequest
from apikeys.services import Changes, Order, Overlap
from apikeys.services.callers import Caller, Holding
from apikeys.verify.denials import Reason
from apikeys.verify.judge import Credential, authorize, verify
from config.lib.environment import Environment
from config.lib.errors import KeywayError
from tenants import services as tenants
from tenants.models import Membership, User
from tenants.roles import Role
from tests.conftest import SYSTEM

SEQUENCES = "KEYWAY_ESCALATION_SEQUENCES"
STEPS = 12
AGENT = ("write:agent-events", "read:agent-config", "write:agent-heartbeat")
MEMBER = ("read:audit-activity", "manage:api-keys", "read:databases")
ADMIN = (*MEMBER, "read:logs", "write:policies")
PUBLIC = (*ADMIN, "admin")
# Callers ask in either spelling. What a key can then do is compared by Keyway's names.
ASKED = (*PUBLIC, "events:read", "api-keys:manage", "databases:read", "logs:read", "policies:write")
HELD = {
    Role.OWNER: {*PUBLIC, *AGENT},
    Role.ADMIN: {*ADMIN, *AGENT},
    Role.MEMBER: {*MEMBER},
    Role.AUDITOR: set[str](),
}
NETWORKS = [
    networks.parse(texts)
    for texts in ([], ["192.0.2.0/24"], ["192.0.2.0/25"], ["198.51.100.0/24", "192.0.2.0/25"])
]
ADDRESSES = ("192.0.2.1", "192.0.2.200", "198.51.100.1")
EXPIRIES = (None, timedelta(days=10), timedelta(days=60))
MOMENTS = (timedelta(days=1), timedelta(days=30), timedelta(days=90))
EVER = range(len(MOMENTS))

Ability = tuple[str, str, str, int]  # environment, scope, address, moment
done: Counter[str] = Counter()


def abilities(
    environments: Any, names: Any, addresses: Any = ADDRESSES, moments: Any = EVER
) -> set[Ability]:
    return set(itertools.product(environments, names, addresses, moments))


class Escalation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.now = timezone.now()
        self.acme = tenants.create_organization(name="Acme", slug="acme", by=SYSTEM)
        self.people = [
            self.join(role)
            for role in (Role.OWNER, Role.OWNER, Role.ADMIN, Role.MEMBER, Role.AUDITOR)
        ]
        self.secrets: list[tuple[str, Key, set[Ability]]] = []
        self.requests: list[KeyRequest] = []
        self.approved: dict[Any, set[Ability]] = {}

    def join(self, role: Role) -> User:
        user = User.objects.create(email=f"{role}{Membership.objects.count()}@acme.example")
        tenants.add_member(organization=self.acme, user=user, role=role, by=SYSTEM)
        return user

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def caller(self, who: int) -> tuple[Caller, set[Ability]]:
        """Return a caller and what it can do.

        Numbers choose among the people first, then the secrets.
        """
        # Keys twice as often, because delegation is the interesting case.
        who %= len(self.people) + 2 * len(self.secrets)
        if who < len(self.people):
            role = Membership.objects.get(user=self.people[who]).role
            return Caller.person(self.people[who]), abilities(Environment.values, HELD[Role(role)])
        secret = self.secrets[(who - len(self.people)) // 2][0]
        for address in ADDRESSES:
            credential = verify(secret, now=timezone.now(), address=address)
            if (
                isinstance(credential, Credential)
                and authorize(credential, scope="manage:api-keys") is None
            ):
                return Caller.acting(credential), self.presented(secret, for_agents=True)
        raise KeywayError("Not a key that manages keys.")

    def presented(self, secret: str, *, for_agents: bool = False) -> set[Ability]:
        """Return what a secret can do.

        With `admin` it can do what agents do, by issuing agent keys.
        """
        able: set[Ability] = set()
        for address in ADDRESSES:
            for moment in EVER:
                credential = verify(secret, now=self.now + MOMENTS[moment], address=address)
                if not isinstance(credential, Credential):
                    if credential.reason is not Reason.IP_NOT_ALLOWED:
                        break  # it has ended, and an ended key stays ended
                    continue
                held = {
                    name for name in (*PUBLIC, *AGENT) if authorize(credential, scope=name) is None
                }
                held |= set(AGENT) if for_agents and "admin" in held else set()
                able |= abilities([str(credential.environment)], held, [address], [moment])
            else:
                continue
            if moment == 0:
                break
        return able

    def attempt(self, name: str, change: Callable[[], object]) -> None:
        try:
            with transaction.atomic():
                change()
        except KeywayError as error:
            done[f"{name} refused: {error.code}"] += 1
        else:
            done[name] += 1

    @initialize(scopes=st.sets(st.sampled_from(PUBLIC)), order=st.data())
    def begin_with_a_key_that_manages_keys(self, scopes: set[str], order: Any) -> None:
        self.issue(0, Holding.OWN, {*scopes, "manage:api-keys"}, order.draw(orders()))

    @initialize(order=st.data())
    def begin_with_an_organization_key_that_manages_keys(self, order: Any) -> None:
        self.issue(0, Holding.ORGANIZATION, {"manage:api-keys", "read:logs"}, order.draw(orders()))

    @initialize(
        who=st.integers(0, 3), scopes=st.sets(st.sampled_from(MEMBER), min_size=1), order=st.data()
    )
    def begin_with_an_approved_request(self, who: int, scopes: set[str], order: Any) -> None:
        self.request(who, Holding.OWN, scopes, order.draw(orders()))
        if order.draw(st.booleans()):
            self.approve_as(0 if who else 1, 0)

    @rule(
        who=st.integers(0, 40),
        holding=st.sampled_from([Holding.OWN, Holding.ORGANIZATION]),
        scopes=st.sets(st.sampled_from(ASKED), min_size=1, max_size=3),
        order=st.data(),
    )
    def issue_public(self, who: int, holding: Holding, scopes: set[str], order: Any) -> None:
        self.attempt(
            f"issue {holding.name.lower()}",
            lambda: self.issue(who, holding, scopes, order.draw(orders())),
        )

    @rule(who=st.integers(0, 40), order=st.data())
    def issue_agent(self, who: int, order: Any) -> None:
        self.attempt(
            "issue for agents", lambda: self.issue(who, Holding.AGENTS, set(), order.draw(orders()))
        )

    def issue(
        self,
        who: int,
        holding: Holding,
        scopes: set[str],
        wanted: tuple[str, timedelta | None, Any],
    ) -> None:
        caller, able = self.caller(who)
        place = caller.enter_to_issue(holding, None)
        environment, lasts, allowed = wanted
        expires_at: datetime | None = self.now + lasts if lasts else None
        order = Order(
            "x", environment=Environment(environment), expires_at=expires_at, allowed=allowed
        )
        by, within = caller.actor, caller.authority_in(self.acme.pk)
        shared: dict[str, Any] = {"order": order, "by": by, "within": within}
        if place.owner:
            new = services.issue_public_key(owner=place.owner, scopes=scopes, **shared)
        elif holding is Holding.AGENTS:
            new = services.issue_agent_key(organization=self.acme, created_by=caller.user, **shared)
        else:
            new = services.issue_organization_key(
                organization=self.acme, scopes=scopes, created_by=caller.user, **shared
            )
        self.secrets.append((new.plaintext.reveal(), new.key, able))
        done["delegate"] += bool(caller.key)

    @rule(needs_approval=st.booleans(), longest=st.sampled_from([None, 30]), who=st.integers(0, 4))
    def change_rules(self, who: int, longest: int | None, needs_approval: bool) -> None:
        def change() -> None:
            place = Caller.person(self.people[who]).reach.places[self.acme.pk]
            changes = {"needs_approval": needs_approval, "longest_days": longest}
            services.change_rules(place=place, changes=changes)

        self.attempt("change rules", change)

    @rule(
        who=st.integers(0, 40),
        holding=st.sampled_from([Holding.OWN, Holding.ORGANIZATION]),
        scopes=st.sets(st.sampled_from(PUBLIC), min_size=1, max_size=3),
        order=st.data(),
    )
    def request_key(self, who: int, holding: Holding, scopes: set[str], order: Any) -> None:
        self.attempt("request", lambda: self.request(who, holding, scopes, order.draw(orders())))

    def request(
        self,
        who: int,
        holding: Holding,
        scopes: set[str],
        wanted: tuple[str, timedelta | None, Any],
    ) -> None:
        caller, _ = self.caller(who)
        place, (_, lasts, allowed) = caller.enter_to_issue(holding, None), wanted
        order = Order("x", expires_at=self.now + lasts if lasts else None, allowed=allowed)
        made = services.request_key(caller=caller, place=place, order=order, scopes=scopes)
        self.requests.append(made)

    @precondition(lambda self: self.requests)
    @rule(who=st.integers(0, 4) | st.integers(0, 40), which=st.integers(0, 40))
    def approve(self, who: int, which: int) -> None:
        self.attempt("approve", lambda: self.approve_as(who, which))

    def approve_as(self, who: int, which: int) -> None:
        caller, able = self.caller(who)
        request = self.requests[which % len(self.requests)]
        services.approve(request=request, by=caller)
        assert caller.user != request.requester
        self.approved[request.pk] = able

    @precondition(lambda self: self.approved)
    @rule(who=st.integers(0, 40), which=st.integers(0, 40), is_requester=st.booleans())
    def collect(self, who: int, which: int, is_requester: bool) -> None:
        def change() -> None:
            pk = list(self.approved)[which % len(self.approved)]
            request = KeyRequest.objects.get(pk=pk)
            chosen = self.people.index(request.requester) if is_requester else who
            caller, able = self.caller(chosen)
            new = services.collect(request=request, by=caller)
            ceiling = able & self.approved[pk]
            self.secrets.append((new.plaintext.reveal(), new.key, ceiling))

        self.attempt("collect", change)

    @precondition(lambda self: self.secrets)
    @rule(
        who=st.integers(0, 40),
        which=st.integers(0, 40),
        grace=st.sampled_from([timedelta(0), timedelta(days=5)]),
    )
    def rotate(self, who: int, which: int, grace: timedelta) -> None:
        def change() -> None:
            caller, able = self.caller(who)
            key = caller.find_to_change(self.secrets[which % len(self.secrets)][1].pk)
            within = caller.authority_in(self.acme.pk)
            new = services.rotate(key=key, overlap=Overlap(grace), within=within, by=caller.actor)
            self.secrets.append((new.plaintext.reveal(), new.key, able))

        self.attempt("rotate", change)

    @precondition(lambda self: self.secrets)
    @rule(
        who=st.integers(0, 40),
        which=st.integers(0, 40),
        scopes=st.none() | st.sets(st.sampled_from(ASKED), min_size=1, max_size=3),
        allowed=st.none() | st.sampled_from(NETWORKS),
    )
    def edit(self, who: int, which: int, scopes: set[str] | None, allowed: Any) -> None:
        def change() -> None:
            caller, able = self.caller(who)
            key = caller.find_to_change(self.secrets[which % len(self.secrets)][1].pk)
            changes = Changes(scopes=scopes, allowed=allowed)
            services.edit(
                key=key, changes=changes, within=caller.authority_in(self.acme.pk), by=caller.actor
            )
            for _, other, ceiling in self.secrets:
                if other.pk == key.pk:
                    ceiling.update(able)

        self.attempt("edit", change)

    @precondition(lambda self: self.secrets)
    @rule(who=st.integers(0, 40), which=st.integers(0, 40))
    def revoke(self, who: int, which: int) -> None:
        def change() -> None:
            caller, _ = self.caller(who)
            key = caller.find_to_change(self.secrets[which % len(self.secrets)][1].pk, to_end=True)
            services.revoke(key=key, by=caller.actor)

        self.attempt("revoke", change)

    @rule(whose=st.integers(0, 4), role=st.sampled_from(list(Role)))
    def change_role(self, whose: int, role: Role) -> None:
        membership = Membership.objects.select_related("user").get(user=self.people[whose])
        self.attempt(
            "change role", lambda: tenants.change_role(membership=membership, role=role, by=SYSTEM)
        )

    @invariant()
    def no_secret_is_more_than_who_got_it(self) -> None:
        for secret, key, ceiling in self.secrets:
            beyond = self.presented(secret) - ceiling
            assert not beyond, (
                f"{key.public_id} can do what its issuer could not: {sorted(beyond)[:3]}"
            )


def orders() -> Any:
    return st.tuples(
        st.sampled_from(Environment.values), st.sampled_from(EXPIRIES), st.sampled_from(NETWORKS)
    )


def run(sequences: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    """Run the state machine. Needs a test database."""
    done.clear()
    run_state_machine_as_test(
        Escalation,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )
