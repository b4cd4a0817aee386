"""django-oauth-toolkit's models, swapped: everything belongs to an organization, and nothing presented is stored."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)

from apikeys import scopes as registry
from apikeys.oauth import scopes
from audit.trail.actor import Actor, Target
from config.lib.environment import Environment
from config.lib.ids import encode, uuid7
from tenants.models import Membership, Organization, User


class Purpose(models.TextChoices):
    """What an application is, which decides how it gets tokens."""

    WEB = "web", "Web application"
    NATIVE = "native", "Desktop, mobile or browser application"
    SERVICE = "service", "Service"


_GRANTS = {
    Purpose.WEB: (
        AbstractApplication.CLIENT_CONFIDENTIAL,
        AbstractApplication.GRANT_AUTHORIZATION_CODE,
    ),
    Purpose.NATIVE: (
        AbstractApplication.CLIENT_PUBLIC,
        AbstractApplication.GRANT_AUTHORIZATION_CODE,
    ),
    Purpose.SERVICE: (
        AbstractApplication.CLIENT_CONFIDENTIAL,
        AbstractApplication.GRANT_CLIENT_CREDENTIALS,
    ),
}


class ApplicationQuerySet(models.QuerySet["Application"]):
    def for_organization(self, organization: Organization) -> ApplicationQuerySet:
        return self.filter(organization=organization)

    def usable(self) -> ApplicationQuerySet:
        return self.filter(disabled_at=None, organization__suspended_at=None)


class Application(AbstractApplication):  # type: ignore[misc]  # the toolkit ships no types
    """A program that calls the API with tokens, within one organization. Its client id is its public id."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    environment = models.CharField(max_length=4, choices=Environment, default=Environment.LIVE)
    scopes = models.JSONField(default=list, help_text="What it may ask for, and no more.")
    client_secret = models.CharField(
        max_length=64, blank=True, editable=False, help_text="A keyed hash; empty without one."
    )
    secret_mask = models.CharField(max_length=32, blank=True, editable=False)
    secret_created_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+", editable=False)
    # Of the form that showed the newest secret: a form shows one, however often it is sent.
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, editable=False)

    # What the toolkit has for sign-in with OpenID, for registration by strangers and for skipping consent.
    user = None
    hash_client_secret = None
    post_logout_redirect_uris = None
    skip_authorization = None
    algorithm = None
    allowed_origins = None
    registration_source = None
    cimd_expires_at = None

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="application_has_a_name"),
            models.CheckConstraint(
                condition=Q(environment__in=Environment.values),
                name="application_environment_is_known",
            ),
            models.CheckConstraint(
                condition=Q(client_type="confidential") ^ Q(client_secret=""),
                name="application_has_a_secret_if_confidential",
            ),
            models.CheckConstraint(
                condition=Q(
                    authorization_grant_type="client-credentials",
                    client_type="confidential",
                    redirect_uris="",
                )
                | (Q(authorization_grant_type="authorization-code") & ~Q(redirect_uris="")),
                name="application_grant_is_code_or_client_credentials",
            ),
            models.UniqueConstraint(
                fields=["created_by", "idempotency_key"], name="one_form_shows_one_client_secret"
            ),
        ]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def public_id(self) -> str:
        return encode("app", self.id)

    @property
    def purpose(self) -> Purpose:
        grants = (self.client_type, self.authorization_grant_type)
        return next(purpose for purpose, these in _GRANTS.items() if these == grants)

    @purpose.setter
    def purpose(self, purpose: Purpose) -> None:
        self.client_type, self.authorization_grant_type = _GRANTS[purpose]

    @property
    def is_for_people(self) -> bool:
        return self.purpose is not Purpose.SERVICE

    @property
    def grantable(self) -> frozenset[str]:
        """What it may ask for and Keyway grants."""
        return frozenset(self.scopes) & scopes.grantable()

    @property
    def scope_titles(self) -> list[str]:
        return registry.titles(self.scopes)

    @property
    def addresses(self) -> list[str]:
        return str(self.redirect_uris).split()

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Character by character (RFC 9700, 2.1); the toolkit would let the port of a loopback address differ."""
        return uri in self.addresses

    def is_usable(self, request: object) -> bool:
        return self.disabled_at is None and self.organization.suspended_at is None

    def origin_allowed(self, origin: str) -> bool:
        return False

    def as_target(self) -> Target:
        return Target(kind="application", id=self.public_id, name=str(self))

    def as_actor(self, address: str = "") -> Actor:
        return Actor(kind="application", id=self.public_id, name=str(self), address=address)


class Grant(AbstractGrant):  # type: ignore[misc]
    """An authorization code: a person's consent, to be redeemed once within a minute. `code` is its keyed hash.

    A code that was redeemed stays known, so that its second coming is noticed and ends the tokens of the first.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    membership = models.ForeignKey(Membership, models.PROTECT, related_name="+")
    family = models.UUIDField(default=uuid.uuid4, editable=False)
    used_at = models.DateTimeField(null=True, blank=True)

    nonce = None
    claims = None
    resource = None


class IDToken(AbstractIDToken):  # type: ignore[misc]
    """Never made: the toolkit wants its token models swapped together."""

    user = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")


class AccessToken(AbstractAccessToken):  # type: ignore[misc]
    """`token_checksum` is a keyed hash of the token, `token` stays empty. `membership` is empty for a service."""

    user = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    membership = models.ForeignKey(
        Membership, models.PROTECT, null=True, blank=True, related_name="+"
    )

    resource = None

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(token=""), name="access_token_is_not_stored")
        ]


class RefreshTokenQuerySet(models.QuerySet["RefreshToken"]):
    def live(self) -> RefreshTokenQuerySet:
        return self.filter(revoked=None)


class RefreshToken(AbstractRefreshToken):  # type: ignore[misc]
    """Good for one use. All that came of one consent are a family: who presents a used one again ends it."""

    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    membership = models.ForeignKey(Membership, models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()

    resource = None

    objects = RefreshTokenQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["token_family"], name="refresh_tokens_of_family")]
        constraints = [
            models.CheckConstraint(condition=Q(token=""), name="refresh_token_is_not_stored"),
            models.UniqueConstraint(fields=["token_checksum"], name="refresh_token_is_unique"),
        ]

    def is_live(self, at: datetime) -> bool:
        return self.revoked is None and self.expires_at > at
