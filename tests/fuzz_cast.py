"""Who fuzzes: each kind of credential, made again as soon as an example of its own has ended it."""
from collections.abc import Callable
from typing import Any
from django.utils import timezone
from apikeys import services as keys
from apikeys.kind import Kind
from apikeys import scopes
from apikeys.models import Key
from apikeys.services import Order
from apikeys.verification import Credential, verify
from tenants import services as tenants
from tenants.access import actor
from tenants.tokens import services as tokens
from tests.conftest import SYSTEM, join, membership_of
from tenants.roles import Role
from tests.tenants.tokens.forge import signed_in
from apikeys.oauth import services as oauth
from apikeys.oauth.models import Purpose


def cast():
    acme = tenants.create_organization(name="Acme", slug="acme", by=SYSTEM)
    olivia, alice, bob = join(acme, "olivia", Role.OWNER), join(acme, "alice", Role.ADMIN), join(acme, "bob", Role.MEMBER)

    def agent():
        return keys.issue_agent_key(organization=acme, order=Order(name="Agent"), by=actor(alice), created_by=alice)
    def public(scopes_):
        return lambda: keys.issue_public_key(owner=membership_of(alice), order=Order(name="Script"), scopes=scopes_, by=actor(alice))
    every = [s.name for s in scopes.of_kind(Kind.PUBLIC) if s.is_grantable and s.name in scopes.held_by(Role.ADMIN) and s.name != scopes.MANAGE_API_KEYS]
    from tests.apikeys.oauth.flow import Program
    draft = oauth.Draft(name="Ledger", purpose=Purpose.SERVICE, scopes=["read:audit-activity"])
    made = oauth.register(organization=acme, draft=draft, by=SYSTEM, created_by=alice)
    program = Program(made.application, made.plaintext.reveal())
    def header(issue):
        def again():
            return {"X-API-Key": issue().plaintext.reveal()}
        def good(h):
            return isinstance(verify(h["X-API-Key"], now=timezone.now()), Credential)
        return renewing(again, good)
    def token():
        return {"Authorization": f"Bearer {signed_in(alice).access}"}
    def token_good(h):
        try:
            tokens.authenticate(h["Authorization"][7:], at=timezone.now())
        except Exception:
            return False
        return True
    def app():
        return {"Authorization": f"Bearer {program.own_token().json()['access_token']}"}
    return {
        "agent key": header(agent),
        "public key": header(public(every)),
        "managing key": header(public([*every, scopes.MANAGE_API_KEYS])),
        "user token": renewing(token, token_good),
        "application": renewing(app, lambda h: True),
    }

def renewing(make, good):
    held = None
    def present():
        nonlocal held
        if held is None or not good(held):
            held = make()
        return held
    return present
