"""Requests for live keys: asked, approved or refused by a second person, collected once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction  # noqa: F401  named in skipif
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apikeys import services
from apikeys.errors import (
    AlreadyIssued,
    ApprovalRequired,
    NoApprover,
    OwnRequest,
    RequesterLostAccess,
    RequestNotOpen,
    RulesBroken,
    ScopeNotGrantable,
)
from apikeys.models import Key, KeyRequest, Secret
from apikeys.rules.approval import RequestStatus
from apikeys.services import Changes, Issued, Order
from apikeys.services.approve import lapse, on_answer, on_request
from apikeys.services.callers import Caller, Holding
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from config.lib.errors import KeywayError
from config.lib.rates import Rate
from tenants import services as tenants
from tenants.errors import Forbidden, NoAccess
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.test_key_rules import ruled
from tests.apikeys.test_keys_api import GOOD, create, send
from tests.conftest import SYSTEM, IssueKey, api, client_of, join, membership_of
from tests.tenants.tokens.forge import signed_in

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _no_leases(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = 0


@pytest.fixture
def olivia(acme: Organization) -> User:
    return join(acme, "olivia", Role.OWNER)


@pytest.fixture
def guarded(acme: Organization, olivia: User, alice: User) -> Organization:
    """Acme, where live keys need approval and olivia and alice can give it."""
    ruled(acme, needs_approval=True)
    return acme


def ask(
    by: User,
    organization: Organization,
    *,
    scopes: tuple[str, ...] = ("read:audit-activity",),
    holding: Holding = Holding.OWN,
    **order: Any,
) -> KeyRequest:
    caller = Caller.person(by)
    place = caller.enter_to_issue(holding, organization.pk)
    usual: dict[str, Any] = {"name": "Deploy", "expires_at": timezone.now() + 30 * DAY}
    wanted = Order(**usual | order)
    return services.request_key(caller=caller, place=place, order=wanted, scopes=scopes)


def answer_yes(request: KeyRequest, by: User) -> None:
    services.approve(request=request, by=Caller.person(by))


def collect(request: KeyRequest, by: User, **more: Any) -> Issued:
    return services.collect(request=request, by=Caller.person(by), **more)


def status(request: KeyRequest) -> RequestStatus:
    return KeyRequest.objects.get(pk=request.pk).status(timezone.now())


def test_request_has_no_key_and_no_secret(guarded: Organization, bob: User) -> None:
    answer = create(client_of(bob))
    assert (answer.status_code, answer.json()["status"]) == (202, "requested")
    assert "key" not in answer.json()
    assert not Key.objects.exists()
    assert not Secret.objects.exists()
    assert TrailEntry.objects.get(action="key_request.created").actor_name == bob.email


def test_approved_key_is_collected_once_and_works(guarded: Organization, bob: User) -> None:
    asked = create(client_of(bob)).json()
    request = KeyRequest.objects.get()
    answer_yes(request, User.objects.get(email__startswith="alice"))
    bearer = {"authorization": f"Bearer {signed_in(bob).access}"}
    path = f"/api/v1/key-requests/{asked['id']}/collect"
    made = Client().post(path, headers=bearer)
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    assert isinstance(verify(made.json()["key"], now=timezone.now()), Credential)
    again = Client().post(path, headers=bearer)
    assert (again.status_code, again.json()["code"]) == (409, "request_not_open")
    shown = Client().get(path.removesuffix("/collect"), headers=bearer).json()
    assert (shown["status"], shown["key_id"]) == ("collected", made.json()["id"])
    actions = TrailEntry.objects.filter(action__startswith="key").values_list("action", flat=True)
    assert list(actions.order_by("sequence")) == [
        "key_request.created",
        "key_request.approved",
        "key.issued",
    ]


def test_test_keys_and_agent_keys_need_no_approval(
    guarded: Organization, bob: User, alice: User
) -> None:
    assert create(client_of(bob), environment="test").status_code == 201
    agent = send(client_of(alice), body={"name": "Agent", "kind": "agent"})
    assert agent.status_code == 201


def test_services_issue_no_live_key_without_approval(
    guarded: Organization, issue_public_key: IssueKey
) -> None:
    with pytest.raises(ApprovalRequired):
        issue_public_key()


def test_retried_call_makes_one_request(guarded: Organization, bob: User) -> None:
    client, headers = client_of(bob), {"Idempotency-Key": "deploy-42"}
    first = send(client, body=GOOD, **headers)
    second = send(client, body=GOOD, **headers)
    assert first.json() == second.json()
    assert second["Idempotent-Replayed"] == "true"
    assert send(client, body={**GOOD, "name": "x"}, **headers).status_code == 422
    ruled(guarded, needs_approval=False)
    assert send(client, body=GOOD, **headers).status_code == 202
    assert KeyRequest.objects.count() == 1


def test_key_that_manages_keys_requests_in_its_owners_name(
    acme: Organization, olivia: User, alice: User, bob: User
) -> None:
    managing = create(client_of(bob), scopes=["manage:api-keys", "read:databases"]).json()
    ruled(acme, needs_approval=True)
    program = api(HTTP_X_API_KEY=managing["key"])
    asked = send(program, body={**GOOD, "scopes": ["read:databases"]})
    assert asked.status_code == 202
    request = KeyRequest.objects.get()
    assert (request.requester, request.sent_with) == (bob, managing["id"])
    answer_yes(request, alice)
    assert program.get(f"/api/v1/key-requests/{request.public_id}").json()["status"] == "approved"
    refused = program.post(f"/api/v1/key-requests/{request.public_id}/collect")
    assert refused.status_code == 401
    assert collect(request, bob).key.owner == membership_of(bob)


def test_organization_key_cannot_request(acme: Organization, olivia: User, alice: User) -> None:
    ours = {**GOOD, "owner": "organization", "scopes": ["manage:api-keys", "read:logs"]}
    managing = send(client_of(alice), body=ours).json()["key"]
    ruled(acme, needs_approval=True)
    refused = send(api(HTTP_X_API_KEY=managing), body={**GOOD, "scopes": ["read:logs"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "approval_required")
    assert not KeyRequest.objects.exists()


def test_organization_key_is_requested_and_collected(
    guarded: Organization, olivia: User, alice: User
) -> None:
    request = ask(alice, guarded, holding=Holding.ORGANIZATION, scopes=("read:logs",))
    answer_yes(request, olivia)
    assert collect(request, alice).key.is_organization_key


def test_requester_cannot_answer(guarded: Organization, alice: User, mallory: User) -> None:
    """Neither with the admin role in two organizations, nor past the services."""
    asked = ask(alice, guarded)
    tenants.add_member(
        organization=mallory.memberships.get().organization, user=alice, role=Role.OWNER, by=SYSTEM
    )
    with pytest.raises(OwnRequest):
        answer_yes(asked, alice)
    with pytest.raises(OwnRequest):
        services.refuse(request=asked, by=Caller.person(alice), reason="x")
    rows = KeyRequest.objects.filter(pk=asked.pk)
    with pytest.raises(IntegrityError, match="requester_does_not_answer"), transaction.atomic():
        rows.update(approved_at=timezone.now(), answered_by=alice)


@pytest.mark.parametrize(
    ("name", "error"), [("bob", Forbidden), ("carol", Forbidden), ("mallory", NoAccess)]
)
def test_role_decides_who_approves(
    name: str, error: type[KeywayError], guarded: Organization, request: pytest.FixtureRequest
) -> None:
    asked = ask(User.objects.get(email__startswith="alice"), guarded)
    with pytest.raises(error):
        answer_yes(asked, request.getfixturevalue(name))
    assert status(asked) is RequestStatus.REQUESTED


def test_staff_cannot_approve(guarded: Organization, alice: User, staff: User) -> None:
    with pytest.raises(Forbidden):
        answer_yes(ask(alice, guarded), staff)


def test_demoted_admin_cannot_approve(guarded: Organization, alice: User, bob: User) -> None:
    request, caller = ask(bob, guarded), Caller.person(alice)
    tenants.change_role(membership=membership_of(alice), role=Role.MEMBER, by=SYSTEM)
    with pytest.raises(Forbidden):
        services.approve(request=request, by=Caller.person(alice))
    assert caller.user == alice


def test_key_cannot_approve(
    acme: Organization, olivia: User, alice: User, bob: User, issue_public_key: IssueKey
) -> None:
    secret = issue_public_key(owner=alice, scopes=("manage:api-keys",)).plaintext.reveal()
    ruled(acme, needs_approval=True)
    credential = verify(secret, now=timezone.now())
    assert isinstance(credential, Credential)
    with pytest.raises(Forbidden):
        services.approve(request=ask(bob, acme), by=Caller.acting(credential))


def test_approver_must_hold_all_of_the_key(
    guarded: Organization, olivia: User, alice: User
) -> None:
    with pytest.raises(NoApprover):
        ask(olivia, guarded, scopes=("admin",))
    second = join(guarded, "oscar", Role.OWNER)
    request = ask(olivia, guarded, scopes=("admin",))
    with pytest.raises(ScopeNotGrantable):
        answer_yes(request, alice)
    answer_yes(request, second)


def test_request_without_another_approver_is_refused(
    guarded: Organization, olivia: User, alice: User
) -> None:
    tenants.remove_member(membership=membership_of(olivia), by=SYSTEM)
    with pytest.raises(NoApprover, match="stop requiring approval"):
        ask(alice, guarded)


@pytest.mark.parametrize("step", ["approval", "collection"])
def test_demoted_requester_gets_nothing(
    step: str, guarded: Organization, alice: User, olivia: User
) -> None:
    request = ask(alice, guarded, scopes=("read:logs",))
    if step == "collection":
        answer_yes(request, olivia)
    tenants.change_role(membership=membership_of(alice), role=Role.MEMBER, by=SYSTEM)
    if step == "approval":
        with pytest.raises(RequesterLostAccess):
            answer_yes(request, olivia)
    else:
        with pytest.raises(ScopeNotGrantable):
            collect(request, alice)
    assert not Key.objects.exists()


def test_requester_who_left_and_came_back_cannot_collect(
    guarded: Organization, alice: User, bob: User
) -> None:
    request = ask(bob, guarded)
    answer_yes(request, alice)
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    with pytest.raises(NoAccess):
        collect(request, bob)
    tenants.add_member(organization=guarded, user=bob, role=Role.MEMBER, by=SYSTEM)
    with pytest.raises(Forbidden):
        collect(request, bob)


def test_only_the_requester_collects(guarded: Organization, olivia: User, alice: User) -> None:
    request = ask(alice, guarded)
    answer_yes(request, olivia)
    for other in (olivia, join(guarded, "bob", Role.MEMBER)):
        with pytest.raises(NoAccess):
            collect(request, other)
    assert collect(request, alice)


@pytest.mark.parametrize(
    "rules",
    [{"longest_days": 5}, {"live_networks": ["192.0.2.0/24"]}, {"issuers": "admins"}],
    ids=["lifetime", "networks", "issuers"],
)
def test_rules_tightened_after_approval_refuse_collection(
    rules: dict[str, Any], guarded: Organization, alice: User, bob: User
) -> None:
    request = ask(bob, guarded)
    answer_yes(request, alice)
    ruled(guarded, **rules)
    with pytest.raises(RulesBroken):
        collect(request, bob)
    assert not Key.objects.exists()
    assert status(request) is RequestStatus.APPROVED


def test_rules_tightened_after_the_request_refuse_approval(
    guarded: Organization, alice: User, bob: User
) -> None:
    request = ask(bob, guarded)
    ruled(guarded, longest_days=5)
    with pytest.raises(RulesBroken):
        answer_yes(request, alice)


def test_unapproved_request_cannot_be_collected(
    guarded: Organization, alice: User, bob: User
) -> None:
    waiting, refused = ask(bob, guarded), ask(bob, guarded)
    services.refuse(request=refused, by=Caller.person(alice), reason="Use the test key.")
    for request in (waiting, refused):
        with pytest.raises(RequestNotOpen):
            collect(request, bob)
    with pytest.raises(RequestNotOpen):
        answer_yes(refused, alice)


def test_nonce_of_another_key_collects_nothing(
    guarded: Organization, alice: User, bob: User, issue_public_key: IssueKey
) -> None:
    issue_public_key(environment="test", idempotency_key="nonce")
    request = ask(bob, guarded)
    answer_yes(request, alice)
    with pytest.raises(AlreadyIssued):
        collect(request, bob, idempotency_key="nonce")
    assert status(request) is RequestStatus.APPROVED


def test_request_lapses_after_seven_days_and_is_trailed_once(
    guarded: Organization, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, approved = ask(bob, guarded), ask(bob, guarded)
    answer_yes(approved, alice)
    approved.refresh_from_db()
    before, at = waiting.lapses_at - timedelta(microseconds=1), approved.lapses_at
    assert (lapse(before), waiting.status(before)) == (0, RequestStatus.REQUESTED)
    assert (waiting.status(waiting.lapses_at), approved.status(at)) == (RequestStatus.LAPSED,) * 2
    monkeypatch.setattr(timezone, "now", lambda: at)
    with pytest.raises(RequestNotOpen):  # the clock decides, before any worker comes by
        collect(approved, bob)
    assert (lapse(at), lapse(at)) == (2, 0)
    assert TrailEntry.objects.filter(action="key_request.lapsed").count() == 2


def test_widening_a_live_key_needs_a_new_request(
    acme: Organization, olivia: User, alice: User, public_key: Issued
) -> None:
    ruled(acme, needs_approval=True)
    caller = Caller.person(alice)
    wider = Changes(scopes=["read:audit-activity", "read:databases"])
    with pytest.raises(ApprovalRequired, match="Request a new key"):
        services.edit(
            key=public_key.key, changes=wider, within=caller.authority_in(acme.pk), by=caller.actor
        )


def test_rotating_and_resuming_need_no_approval(
    acme: Organization, olivia: User, bob: User, public_key: Issued
) -> None:
    ruled(acme, needs_approval=True)
    caller, key = Caller.person(bob), public_key.key
    within = caller.authority_in(acme.pk)
    services.rotate(key=key, overlap=services.NO_OVERLAP, within=within, by=caller.actor)
    services.pause(key=key, by=caller.actor)
    services.resume(key=key, by=caller.actor)


def test_listeners_hear_of_request_and_answer(
    guarded: Organization, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, str]] = []
    for registry in (on_request, on_answer):
        registry.append(lambda request, by: heard.append((request.name, by.name)))
    try:
        answer_yes(ask(bob, guarded), alice)
    finally:
        for registry in (on_request, on_answer):
            registry.pop()
    assert heard == [("Deploy", bob.email), ("Deploy", alice.email)]


GUARDED: list[tuple[str, dict[str, Any], str]] = [
    ("requested", {"name": "x"}, "what_was_requested_never_changes"),
    ("requested", {"scopes": ["admin"]}, "what_was_requested_never_changes"),
    ("requested", {"expires_at": None}, "what_was_requested_never_changes"),
    ("approved", {"allowed_cidrs": ["192.0.2.0/24"]}, "what_was_requested_never_changes"),
    ("approved", {"approved_at": None, "answered_by": None}, "answered_request_never_changes"),
    ("approved", {"lapses_at": timezone.now() + 99 * DAY}, "answered_request_never_changes"),
    ("collected", {"collected_at": None, "key": None}, "key_request_ends_once"),
    ("lapsed", {"lapsed_at": None}, "key_request_ends_once"),
]


@pytest.mark.parametrize(("state", "change", "guard"), GUARDED)
def test_request_never_changes(
    *, state: str, change: dict[str, Any], guard: str, guarded: Organization, alice: User, bob: User
) -> None:
    request = ask(bob, guarded)
    if state in ("approved", "collected"):
        answer_yes(request, alice)
    if state == "collected":
        collect(request, bob)
    if state == "lapsed":
        lapse(request.lapses_at)
    with pytest.raises(IntegrityError, match=guard), transaction.atomic():
        KeyRequest.objects.filter(pk=request.pk).update(**change)


def test_request_is_never_deleted(guarded: Organization, bob: User) -> None:
    rows = KeyRequest.objects.filter(pk=ask(bob, guarded).pk)
    with pytest.raises(IntegrityError, match="never_deleted"), transaction.atomic():
        rows._raw_delete(rows.db)


def test_request_belongs_to_its_requester(guarded: Organization, alice: User, bob: User) -> None:
    request = ask(bob, guarded)
    request.pk, request.requester = None, alice
    with pytest.raises(IntegrityError, match="belongs_to_its_requester"), transaction.atomic():
        request.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
def test_concurrent_collections_make_one_key(guarded: Organization, alice: User, bob: User) -> None:
    request = ask(bob, guarded)
    answer_yes(request, alice)
    results: list[object] = []
    barrier = threading.Barrier(6)

    def run() -> None:
        barrier.wait()
        try:
            results.append(collect(KeyRequest.objects.get(pk=request.pk), bob))
        except RequestNotOpen as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(result, Issued) for result in results) == 1
    assert len(results) == 6
    assert Key.objects.count() == Secret.objects.count() == 1


def test_requests_spend_the_limit_of_new_keys(
    guarded: Organization, bob: User, settings: Settings
) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"issue": Rate(2, 60)}
    client = client_of(bob)
    assert [create(client).status_code for _ in range(3)] == [202, 202, 429]
    assert KeyRequest.objects.count() == 2
