"""Approvals and retired secrets reach people through the services that cause them."""

from pathlib import Path

import pytest
from pytest_django import Settings

from apikeys import services
from apikeys.models import KeyRequest
from apikeys.services import Issued
from apikeys.services.callers import Caller
from apikeys.usage.drain import Drainer
from apikeys.usage.spool import append
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.notices.conftest import found, letters
from tests.apikeys.test_key_rules import ruled
from tests.apikeys.test_keys_api import create
from tests.conftest import SYSTEM, api, client_of, join

pytestmark = pytest.mark.django_db


def test_request_and_its_approval_are_emailed(acme: Organization, alice: User, bob: User) -> None:
    join(acme, "olivia", Role.OWNER)
    ruled(acme, needs_approval=True)
    asked = create(client_of(bob)).json()
    (first, *_) = letters()
    page = f"/o/acme/key-requests/{asked['id']}/"
    assert first.recipient != bob.email
    assert page in first.body
    request = KeyRequest.objects.get()
    services.approve(request=request, by=Caller.person(alice))
    last = letters()[-1]
    assert (last.recipient, page in last.body) == (bob.email, True)
    assert [notice.data["request"]["id"] for notice in found("approval.answered")] == [asked["id"]]
    services.collect(request=request, by=Caller.person(bob))
    assert len(found("key.issued")) == 1


def test_retired_secret_is_emailed(
    public_key: Issued, bob: User, tmp_path: Path, settings: Settings
) -> None:
    append.stop()
    settings.KEYWAY_SPOOL = str(tmp_path / "spool")
    caller = Caller.person(bob)
    within = caller.authority_in(public_key.key.organization_id)
    services.rotate(key=public_key.key, overlap=services.NO_OVERLAP, within=within, by=SYSTEM)
    assert api(public_key).get("/api/v1/whoami").json()["code"] == "rotated_key"
    append.appender().flush()
    Drainer(tmp_path / "spool").drain()
    append.stop()
    (notice,) = found("key.retired_secret_used")
    assert notice.data["key"]["mask"] == public_key.plaintext.mask
    assert bob.email in {
        letter.recipient for letter in letters() if "retired secret" in letter.body
    }
