from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apikeys.oauth import services
from apikeys.oauth.models import Purpose
from apikeys.oauth.services import Draft
from tenants.access import actor
from tenants.models import Organization, User
from tests.apikeys.oauth.flow import CALLBACK, Program

Register = Callable[..., Program]


@pytest.fixture
def register(acme: Organization, alice: User) -> Register:
    """Register an application at Acme: ``register(Purpose.SERVICE, scopes=[…])``."""

    def register(
        purpose: Purpose = Purpose.WEB,
        organization: Organization = acme,
        by: User = alice,
        **draft: Any,
    ) -> Program:
        addresses = [] if purpose is Purpose.SERVICE else [CALLBACK]
        draft = {
            "name": "Ledger",
            "scopes": ["read:audit-activity"],
            "redirect_uris": addresses,
        } | draft
        made = services.register(
            organization=organization,
            draft=Draft(purpose=purpose, **draft),
            by=actor(by),
            created_by=by,
        )
        return Program(made.application, made.plaintext.reveal() if made.plaintext else "")

    return register


@pytest.fixture
def program(register: Register) -> Program:
    return register()


@pytest.fixture
def bobs_browser(bob: User) -> Client:
    browser = Client()
    browser.force_login(bob)
    return browser
