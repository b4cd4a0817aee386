"""Administration → Single sign-on: the provider, and the mail domains it speaks for."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from audit.models import TrailEntry
from config.lib.dns_servers import parse_servers
from tenants.models import Organization, User
from tenants.roles import Role
from tenants.sign_in.sso import services
from tenants.sign_in.sso.errors import NoProvider
from tenants.sign_in.sso.models import Identity, IdentityProvider, MailDomain
from tests.conftest import SYSTEM, client_of, join, membership_of
from tests.pages import grow_old
from tests.tenants.sso.conftest import LOOPBACK, SECRET, OpenIdProvider
from tests.tenants.sso.name_server import NameServer

pytestmark = [pytest.mark.django_db, pytest.mark.server]
PAGE = "/o/acme/single-sign-on/"


@pytest.fixture
def olivia(acme: Organization) -> User:
    return join(acme, "olivia", Role.OWNER)


@pytest.fixture
def names(settings: Any) -> Iterator[NameServer]:
    with NameServer() as server:
        settings.KEYWAY_DNS_SERVERS = [("127.0.0.1", server.port)]
        yield server


def actions(prefix: str) -> list[str]:
    found = TrailEntry.objects.filter(action__startswith=prefix).order_by("sequence")
    return [entry.action for entry in found]


def added(browser: Client, domain: str, slug: str = "acme") -> MailDomain:
    address = f"/o/{slug}/single-sign-on/domains/add/"
    assert browser.post(address, {"domain": domain}).status_code == 302
    return MailDomain.objects.get(domain=domain, organization__slug=slug)


def check(browser: Client, domain: MailDomain, slug: str = "acme") -> str:
    address = f"/o/{slug}/single-sign-on/domains/{domain.public_id}/"
    return browser.post(address, follow=True).content.decode()


def test_owner_sets_up_a_provider_that_is_read_first(
    olivia: User, provider: OpenIdProvider, settings: Any
) -> None:
    browser = client_of(olivia)
    form = {"issuer": provider.issuer, "client_id": "keyway", "client_secret": SECRET}
    refused = browser.post(f"{PAGE}provider/", form)
    assert refused.status_code == 422
    assert "not allowed to reach" in refused.content.decode()
    settings.KEYWAY_SSO_NETWORKS = LOOPBACK
    assert (
        "names another issuer"
        in (
            browser.post(f"{PAGE}provider/", form | {"issuer": f"{provider.issuer}/"})
        ).content.decode()
    )
    assert not IdentityProvider.objects.exists()
    browser.post(f"{PAGE}provider/", form)
    html = browser.get(PAGE).content.decode()
    assert provider.issuer in html
    assert "http://testserver/accounts/sso/acme/callback/" in html
    assert SECRET not in html + browser.get(f"{PAGE}provider/").content.decode()
    [entry] = TrailEntry.objects.filter(action="single_sign_on.configured")
    assert SECRET not in entry.body


def test_empty_secret_keeps_the_stored_one(olivia: User, acme_sso: OpenIdProvider) -> None:
    form = {"issuer": acme_sso.issuer, "client_id": "other", "client_secret": ""}
    assert client_of(olivia).post(f"{PAGE}provider/", form).status_code == 302
    stored = IdentityProvider.objects.get()
    assert (stored.client_id, services.client_of(stored, "x").secret) == ("other", SECRET)


def test_another_issuer_ends_links(
    olivia: User, bob: User, acme: Organization, acme_sso: OpenIdProvider
) -> None:
    Identity.objects.create(organization=acme, user=bob, subject="one")
    for issuer, links in ((acme_sso.issuer, 1), ("https://login.example.com", 0)):
        services.configure(
            organization=acme, issuer=issuer, client_id="keyway", secret="", by=SYSTEM
        )
        assert Identity.objects.count() == links


def test_domain_counts_once_dns_has_its_record(
    olivia: User, names: NameServer, acme_sso: OpenIdProvider
) -> None:
    browser = client_of(olivia)
    domain = added(browser, "mail.example")
    html = browser.get(f"{PAGE}domains/{domain.public_id}/").content.decode()
    assert domain.record_name in html
    assert domain.record_value in html
    for wrong in ([], ["keyway-domain="], [f"{domain.record_value}x"], [domain.token]):
        names.records["_keyway.mail.example"] = wrong
        assert "TXT record was not found" in check(browser, domain)
    names.records = {"mail.example": [domain.record_value]}
    assert "TXT record was not found" in check(browser, domain)
    with pytest.raises(NoProvider):
        services.provider_for("bob@mail.example")
    names.records["_keyway.mail.example"] = ["v=spf1 -all", domain.record_value]
    assert "mail.example is proven" in check(browser, domain)
    assert services.provider_for("bob@MAIL.example").issuer == acme_sso.issuer
    with pytest.raises(NoProvider):
        services.provider_for("bob@sub.mail.example")
    assert actions("mail_domain.")[-2:] == ["mail_domain.claimed", "mail_domain.proven"]


def test_domain_belongs_to_one_organization(olivia: User, mallory: User, names: NameServer) -> None:
    membership = membership_of(mallory)
    membership.role = Role.OWNER
    membership.save()
    hers, theirs = client_of(mallory), client_of(olivia)
    first, second = added(theirs, "mail.example"), added(hers, "mail.example", "globex")
    assert first.record_value != second.record_value
    names.records["_keyway.mail.example"] = [first.record_value]
    assert "not found" in check(hers, second, "globex")
    assert "is proven" in check(theirs, first)
    names.records["_keyway.mail.example"] = [first.record_value, second.record_value]
    assert "belongs to another organization" in check(hers, second, "globex")
    second.refresh_from_db()
    assert second.proven_at is None


def test_staff_assign_a_domain(staff: User, acme: Organization, globex: Organization) -> None:
    browser = client_of(staff)
    address = "/administration/organizations/{}/domain/"
    page = browser.post(address.format("acme"), {"domain": "Mail.Example"}, follow=True)
    assert "Assigned mail.example to Acme." in page.content.decode()
    assert MailDomain.objects.get().proven_at
    assert actions("mail_domain.") == ["mail_domain.claimed", "mail_domain.assigned"]
    taken = browser.post(address.format("globex"), {"domain": "mail.example"})
    assert "belongs to another organization" in taken.content.decode()
    assert MailDomain.objects.count() == 1


@pytest.mark.parametrize("domain", ["", "localhost", "a b.example", "-a.example", "a..example"])
def test_malformed_domain_is_refused(olivia: User, domain: str) -> None:
    response = client_of(olivia).post(f"{PAGE}domains/add/", {"domain": domain})
    assert response.status_code == 422
    assert not MailDomain.objects.exists()


def test_removed_domain_and_provider_sign_in_no_one(
    olivia: User, bob: User, acme: Organization, acme_sso: OpenIdProvider
) -> None:
    browser = client_of(olivia)
    assert services.provider_for(bob.email)
    domain = MailDomain.objects.get(domain="acme.example")
    browser.post(f"{PAGE}domains/{domain.public_id}/remove/")
    with pytest.raises(NoProvider):
        services.provider_for(bob.email)
    services.assign_domain(organization=acme, domain="acme.example", by=SYSTEM)
    assert services.provider_for(bob.email)
    for _ in range(2):
        browser.post(f"{PAGE}provider/remove/")
    with pytest.raises(NoProvider):
        services.provider_for(bob.email)
    assert actions("single_sign_on.removed") == ["single_sign_on.removed"]


def test_domains_of_others_are_out_of_reach(olivia: User, globex: Organization) -> None:
    theirs = services.claim_domain(organization=globex, domain="globex.example", by=SYSTEM)
    browser = client_of(olivia)
    for path in ("", "remove/"):
        address = f"{PAGE}domains/{theirs.public_id}/{path}"
        assert browser.get(address).status_code == browser.post(address).status_code == 404
    assert MailDomain.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("path", ["provider/", "provider/remove/", "domains/add/"])
def test_setting_up_needs_an_owner_and_a_recent_sign_in(
    olivia: User, alice: User, path: str
) -> None:
    assert client_of(alice).post(PAGE + path).status_code == 403
    browser = client_of(olivia)
    grow_old(browser, 600)
    location = browser.post(PAGE + path).headers["Location"]
    assert location.startswith("/accounts/reauthenticate/")


def test_name_servers_are_parsed() -> None:
    texts = ["192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353"]
    assert parse_servers(texts) == [
        ("192.0.2.53", 53),
        ("192.0.2.53", 5353),
        ("2001:db8::53", 53),
        ("2001:db8::53", 5353),
    ]
    with pytest.raises(ValueError, match="name"):
        parse_servers(["name.example"])
