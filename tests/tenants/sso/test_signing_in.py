"""Single sign-on against oidc-provider: who gets in, and every reason why someone does not."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tenants.sign_in.sso import protocol, services
from tenants.sign_in.sso.errors import ProviderFailed
from tenants.sign_in.sso.models import Identity, IdentityProvider, MailDomain
from tenants.sign_in.sso.protocol import Pending
from tenants.sign_in.sso.views import redirect_uri
from tests.conftest import PASSWORD, SYSTEM, client_of, membership_of
from tests.tenants.sso.conftest import SECRET, START, OpenIdProvider, begin, come_back, reason
from tests.tenants.test_pages_account import set_up

pytestmark = [pytest.mark.django_db, pytest.mark.server]


def is_signed_in(browser: Client, user: User) -> bool:
    return browser.session.get("_auth_user_id") == str(user.pk)


def test_member_signs_in_and_is_linked_once(acme_sso: OpenIdProvider, bob: User) -> None:
    acme_sso.gives(bob.email)
    for _ in range(2):
        browser = Client()
        response = come_back(acme_sso, browser, " Bob@ACME.example ".strip().lower())
        assert (response.status_code, response.headers["Location"]) == (302, "/")
        assert is_signed_in(browser, bob)
        assert browser.get("/o/acme/").status_code == 200
    entry = TrailEntry.objects.get(action="identity.linked")
    assert entry.target_id == bob.public_id
    assert Identity.objects.get().subject == f"sub of {bob.email}"


def test_fresh_sign_in_at_the_provider_counts_as_recent(
    acme_sso: OpenIdProvider, bob: User
) -> None:
    bob.set_unusable_password()
    bob.save()
    acme_sso.gives(bob.email)
    browser = Client()
    come_back(acme_sso, browser, bob.email)
    assert browser.get("/profile/api-keys/new/").status_code == 200


def test_provider_cannot_speak_for_a_foreign_domain(
    acme_sso: OpenIdProvider, acme: Organization, bob: User, mallory: User
) -> None:
    """Mallory is a member of Acme too, so only her domain keeps the provider from being her."""
    tenants.add_member(organization=acme, user=mallory, role=Role.MEMBER, by=SYSTEM)
    acme_sso.gives(bob.email, email=mallory.email)
    browser = Client()
    assert "domain that does not belong" in reason(come_back(acme_sso, browser, bob.email))
    assert "_auth_user_id" not in browser.session
    assert not Identity.objects.exists()
    services.assign_domain(organization=acme, domain="globex.example", by=SYSTEM)
    come_back(acme_sso, browser, bob.email)
    assert is_signed_in(browser, mallory)


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_unverified_email_is_refused(acme_sso: OpenIdProvider, bob: User, verified: Any) -> None:
    acme_sso.gives(bob.email, email_verified=verified)
    browser = Client()
    assert "has not verified" in reason(come_back(acme_sso, browser, bob.email))
    assert "_auth_user_id" not in browser.session
    assert not Identity.objects.exists()


def test_answer_works_once_and_in_its_browser_only(acme_sso: OpenIdProvider, bob: User) -> None:
    acme_sso.gives(bob.email)
    browser, other = Client(), Client()
    begin(other, bob.email)
    answer = acme_sso.answer(begin(browser, bob.email))
    assert "already used" in reason(other.get(answer))
    assert browser.get(answer).status_code == 302
    assert "already used" in reason(browser.get(answer))
    assert is_signed_in(browser, bob)
    assert "_auth_user_id" not in other.session


def test_answer_is_refused_at_another_organization(
    acme_sso: OpenIdProvider, globex: Organization, bob: User
) -> None:
    services.configure(
        organization=globex, issuer=acme_sso.issuer, client_id="keyway", secret=SECRET, by=SYSTEM
    )
    acme_sso.gives(bob.email)
    browser = Client()
    answer = acme_sso.answer(begin(browser, bob.email))
    assert "already used" in reason(browser.get(answer.replace("/acme/", "/globex/")))


def test_stranger_gets_no_account(acme_sso: OpenIdProvider, bob: User) -> None:
    acme_sso.gives("eve@acme.example")
    browser = Client()
    assert "not a member" in reason(come_back(acme_sso, browser, "eve@acme.example"))
    assert not User.objects.filter(email="eve@acme.example").exists()


def test_deactivated_member_is_refused(acme_sso: OpenIdProvider, alice: User, bob: User) -> None:
    acme_sso.gives(bob.email)
    come_back(acme_sso, Client(), bob.email)
    tenants.deactivate_member(membership=membership_of(bob), by=SYSTEM)
    assert "not a member" in reason(come_back(acme_sso, Client(), bob.email))


def test_platform_staff_are_refused(acme_sso: OpenIdProvider, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    acme_sso.gives(bob.email)
    assert "Platform staff" in reason(come_back(acme_sso, Client(), bob.email))


def test_link_binds_account_and_address(acme_sso: OpenIdProvider, bob: User, carol: User) -> None:
    acme_sso.gives(bob.email, sub="one")
    come_back(acme_sso, Client(), bob.email)
    acme_sso.gives(bob.email, sub="two")
    assert "another account" in reason(come_back(acme_sso, Client(), bob.email))
    acme_sso.gives(carol.email, sub="one")
    assert "another account" in reason(come_back(acme_sso, Client(), carol.email))
    acme_sso.gives(carol.email, sub="two")
    assert come_back(acme_sso, Client(), carol.email).status_code == 302


def test_second_factor_is_still_asked_for(acme_sso: OpenIdProvider, bob: User) -> None:
    set_up(client_of(bob))
    acme_sso.gives(bob.email)
    browser = Client()
    response = come_back(acme_sso, browser, bob.email)
    assert response.headers["Location"] == "/accounts/2fa/authenticate/"
    assert browser.get("/o/acme/").status_code == 302


def test_next_leads_nowhere(acme_sso: OpenIdProvider, bob: User) -> None:
    acme_sso.gives(bob.email)
    browser = Client()
    browser.get(f"{START}?next=https://evil.example/")
    answer = acme_sso.answer(begin(browser, bob.email))
    assert browser.get(f"{answer}&next=https://evil.example/").headers["Location"] == "/"


def test_unproven_domain_has_no_provider(acme_sso: OpenIdProvider, bob: User) -> None:
    MailDomain.objects.update(proven_at=None)
    html = Client().post(START, {"email": bob.email}).content.decode()
    assert "isn’t set up for this email address" in html


@pytest.mark.parametrize("part", ["nonce", "verifier"])
def test_code_belongs_to_nonce_and_verifier(
    acme_sso: OpenIdProvider, acme: Organization, bob: User, part: str
) -> None:
    acme_sso.gives(bob.email)
    client = services.client_of(IdentityProvider.objects.get(), redirect_uri(acme))
    metadata = protocol.discover(client.issuer)

    def redeem(changed: bool) -> str:
        pending = Pending.new()
        url = protocol.authorization_url(client, metadata, pending, bob.email)
        query = acme_sso.answer(url).partition("?")[2]
        fields = dict(pair.split("=", 1) for pair in query.split("&"))
        answer = {"code": fields["code"], "iss": client.issuer}
        pending = replace(pending, **{part: "of another sign-in" * 3}) if changed else pending
        return protocol.redeem(client, pending, answer, timezone.now()).email

    assert redeem(changed=False) == bob.email
    with pytest.raises(ProviderFailed):
        redeem(changed=True)


def test_provider_in_a_private_network_is_not_asked(
    acme_sso: OpenIdProvider, bob: User, settings: Any
) -> None:
    acme_sso.gives(bob.email)
    assert begin(Client(), bob.email)
    settings.KEYWAY_SSO_NETWORKS = []
    html = Client().post(START, {"email": bob.email}).content.decode()
    assert "not allowed to reach" in html


def test_owner_signs_in_with_a_password_while_the_provider_is_down(
    acme_sso: OpenIdProvider, bob: User
) -> None:
    IdentityProvider.objects.update(issuer="http://127.0.0.1:1")
    html = Client().post(START, {"email": bob.email}).content.decode()
    assert "cannot be reached" in html
    response = Client().post("/accounts/login/", {"login": bob.email, "password": PASSWORD})
    assert response.status_code == 302


def test_client_secret_is_encrypted_at_rest(acme_sso: OpenIdProvider, acme: Organization) -> None:
    stored = bytes(IdentityProvider.objects.get().sealed_secret)
    assert SECRET.encode() not in stored
    assert SECRET not in repr(services.client_of(IdentityProvider.objects.get(), "x"))
    client = services.client_of(IdentityProvider.objects.get(), redirect_uri(acme))
    assert client.secret == SECRET
