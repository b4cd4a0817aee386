"""Set up single sign-on, and decide which member a provider's answer signs in."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit import trail
from audit.outbox import conf as secrets_conf
from audit.outbox.seal import SealBroken, open_sealed, seal
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.models import Membership, Organization, User
from tenants.sign_in.sso import dns
from tenants.sign_in.sso.errors import (
    DomainNotProven,
    DomainTaken,
    IdentityRefused,
    NoProvider,
    ProviderFailed,
    TooManyDomains,
)
from tenants.sign_in.sso.models import Identity, IdentityProvider, MailDomain
from tenants.sign_in.sso.protocol import Claims, Client

MOST_DOMAINS = 20
# Changing it makes every stored client secret unreadable.
_PURPOSE = b"keyway.sso.client_secret.1"


@transaction.atomic
def configure(
    *, organization: Organization, issuer: str, client_id: str, secret: str, by: Actor
) -> None:
    """Set or replace the provider. An empty `secret` keeps the stored one.

    Another issuer ends all links: its subjects are other accounts.
    """
    Organization.objects.select_for_update().get(pk=organization.pk)
    before = IdentityProvider.objects.filter(organization=organization).first()
    fields = {"issuer": issuer, "client_id": client_id, "changed_at": timezone.now()}
    if secret:
        fields["sealed_secret"] = seal(secret.encode(), secrets_conf.secret_keys(), _PURPOSE)
    IdentityProvider.objects.update_or_create(organization=organization, defaults=fields)
    if before and before.issuer != issuer:
        Identity.objects.filter(organization=organization).delete()
    trail.record(
        Action.SINGLE_SIGN_ON_CONFIGURED,
        organization=organization.pk,
        by=by,
        target=organization.as_target(),
        data={"issuer": issuer, "client_id": client_id, "secret_changed": bool(secret)},
    )


@transaction.atomic
def remove_provider(*, organization: Organization, by: Actor) -> None:
    """End single sign-on and all links. Sessions that it began go on."""
    Identity.objects.filter(organization=organization).delete()
    if IdentityProvider.objects.filter(organization=organization).delete()[0]:
        target = organization.as_target()
        trail.record(
            Action.SINGLE_SIGN_ON_REMOVED, organization=organization.pk, by=by, target=target
        )


@transaction.atomic
def claim_domain(*, organization: Organization, domain: str, by: Actor) -> MailDomain:
    """Claim a domain, to be proven. Raises TooManyDomains."""
    Organization.objects.select_for_update().get(pk=organization.pk)
    claimed = MailDomain.objects.filter(organization=organization)
    if claimed.count() >= MOST_DOMAINS and not claimed.filter(domain=domain).exists():
        raise TooManyDomains()
    found, is_new = claimed.get_or_create(domain=domain, defaults={"organization": organization})
    if is_new:
        _record(Action.MAIL_DOMAIN_CLAIMED, found, by)
    return found


def prove_domain(*, domain: MailDomain, by: Actor) -> None:
    """Let the domain count if DNS has its record. Raises DomainNotProven or DomainTaken."""
    # Outside a transaction: the lookup takes seconds.
    if not dns.has_record(domain.record_name, domain.record_value):
        raise DomainNotProven()
    _let_count(domain, Action.MAIL_DOMAIN_PROVEN, by)


def assign_domain(*, organization: Organization, domain: str, by: Actor) -> None:
    """Let a domain count without a record, as platform staff. Raises like `claim_domain`."""
    with transaction.atomic():
        claimed = claim_domain(organization=organization, domain=domain, by=by)
        _let_count(claimed, Action.MAIL_DOMAIN_ASSIGNED, by)


@transaction.atomic
def _let_count(domain: MailDomain, action: Action, by: Actor) -> None:
    waiting = MailDomain.objects.filter(pk=domain.pk, proven_at=None)
    try:
        with transaction.atomic():
            changed = waiting.update(proven_at=timezone.now())
    except IntegrityError as error:
        raise DomainTaken() from error
    if changed:
        _record(action, domain, by)


@transaction.atomic
def remove_domain(*, domain: MailDomain, by: Actor) -> None:
    if MailDomain.objects.filter(pk=domain.pk).delete()[0]:
        _record(Action.MAIL_DOMAIN_REMOVED, domain, by)


def _record(action: Action, domain: MailDomain, by: Actor) -> None:
    trail.record(action, organization=domain.organization_id, by=by, target=domain.as_target())


def provider_for(email: str) -> IdentityProvider:
    """Return the provider that speaks for the address. Raises NoProvider."""
    domain = email.rpartition("@")[2].lower()
    provider = (
        IdentityProvider.objects.select_related("organization")
        .filter(
            organization__mail_domains__domain=domain,
            organization__mail_domains__proven_at__isnull=False,
        )
        .first()
    )
    if provider is None:
        raise NoProvider()
    return provider


def client_of(provider: IdentityProvider, redirect_uri: str) -> Client:
    try:
        secret = open_sealed(
            bytes(provider.sealed_secret), secrets_conf.secret_keys(), _PURPOSE
        ).decode()
    except SealBroken as error:
        raise ProviderFailed("The client secret was stored under another SECRET_KEY.") from error
    return Client(provider.issuer, provider.client_id, redirect_uri, secret)


@transaction.atomic
def admit(*, provider: IdentityProvider, claims: Claims, address: str) -> User:
    """Return the member whom the claims sign in. Raises IdentityRefused.

    The first time, the account at the provider is linked to the member of its email address. From
    then on, both must match: a provider that gives the address to another account, or the account
    another address, signs no one in.
    """
    organization = provider.organization
    user = _member(organization, claims)
    links = Identity.objects.filter(organization=organization)
    linked = links.filter(subject=claims.subject).first()
    if linked is None and not links.filter(user=user).exists():
        linked = _link(organization, user, claims.subject, address)
    if linked is None or linked.user_id != user.pk:
        raise IdentityRefused(
            "Your email address is linked to another account at your provider. Tell an owner of "
            "your organization."
        )
    return user


def _member(organization: Organization, claims: Claims) -> User:
    """Return the active member with the claimed address. Raises IdentityRefused."""
    domain = claims.email.rpartition("@")[2]
    counting = MailDomain.objects.filter(organization=organization, proven_at__isnull=False)
    if not domain or not counting.filter(domain=domain).exists():
        raise IdentityRefused(
            "Your provider gave an email address of a domain that does not belong to your "
            "organization."
        )
    if not claims.is_email_verified:
        raise IdentityRefused("Your provider has not verified your email address.")
    members = Membership.objects.for_organization(organization).active().select_related("user")
    membership = members.filter(user__email__iexact=claims.email).first()
    if membership is None:
        raise IdentityRefused(
            "You are not a member of this organization. Ask an admin to add your email address."
        )
    if membership.user.is_staff:
        # An organization must not be able to make itself platform staff.
        raise IdentityRefused("Platform staff sign in with their password.")
    return membership.user


def _link(organization: Organization, user: User, subject: str, address: str) -> Identity | None:
    try:
        with transaction.atomic():
            linked = Identity.objects.create(organization=organization, user=user, subject=subject)
    except IntegrityError:  # another request linked one of the two at the same moment
        return Identity.objects.filter(organization=organization, subject=subject).first()
    trail.record(
        Action.IDENTITY_LINKED,
        organization=organization.pk,
        by=Actor(kind="user", id=user.public_id, name=user.email, address=address),
        target=user.as_target(),
        data={"subject": subject},
    )
    return linked
