"""django-oauth-toolkit's models, swapped for our own.

Every row belongs to an organization. Codes, tokens and client secrets are stored as keyed hashes
only.
"""

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
    """The type of an application, which decides how it gets tokens."""

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
    """A program that calls the API with tokens of one organization.

    Its client id is its public id.
    """

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
    pkce_waived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+", editable=False)
    # The nonce of the form that showed the newest secret. Submitting it again shows no other.
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, editable=False)

    # Not supported: OpenID Connect, dynamic client registration and skipping consent. Without the
    # columns, no setting of the toolkit can turn them on.
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
            # A confidential client must never be able to authenticate with an empty secret.
            models.CheckConstraint(
                condition=Q(client_type="confidential") ^ Q(client_secret=""),
                name="application_has_a_secret_if_confidential",
            ),
            # Excludes the implicit, password and device grants, whatever the toolkit offers. A code
            # grant without a registered redirect URI would send codes anywhere.
            models.CheckConstraint(
                condition=Q(
                    authorization_grant_type="client-credentials",
                    client_type="confidential",
                    redirect_uris="",
                )
                | (Q(authorization_grant_type="authorization-code") & ~Q(redirect_uris="")),
                name="application_grant_is_code_or_client_credentials",
            ),
            # A public client has no secret. Without PKCE, anyone who reads a code could redeem it.
            models.CheckConstraint(
                condition=Q(pkce_waived_at=None)
                | Q(client_type="confidential", authorization_grant_type="authorization-code"),
                name="only_web_applications_waive_pkce",
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
    def requires_pkce(self) -> bool:
        return self.pkce_waived_at is None

    @property
    def grantable(self) -> frozenset[str]:
        """The scopes it may request and that Keyway can grant."""
        return registry.canonical_all(self.scopes) & scopes.grantable()

    @property
    def scope_titles(self) -> list[str]:
        return registry.titles(self.scopes)

    @property
    def addresses(self) -> list[str]:
        return str(self.redirect_uris).split()

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Compare exactly (RFC 9700, 2.1).

        The toolkit would accept any port of a loopback address.
        """
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
    """An authorization code, which can be redeemed once within a minute. `code` is its keyed hash.

    A redeemed code is kept, so that presenting it again is detected and ends the tokens it yielded.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    membership = models.ForeignKey(Membership, models.PROTECT, related_name="+")
    family = models.UUIDField(default=uuid.uuid4, editable=False)
    used_at = models.DateTimeField(null=True, blank=True)

    nonce = None
    claims = None
    resource = None


class IDToken(AbstractIDToken):  # type: ignore[misc]
    """Never created. The toolkit requires all its token models to be swapped together."""

    user = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")


class AccessToken(AbstractAccessToken):  # type: ignore[misc]
    """`token_checksum` is the token's keyed hash; `token` stays empty.

    A service has no membership.
    """

    user = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    membership = models.ForeignKey(
        Membership, models.PROTECT, null=True, blank=True, related_name="+"
    )

    resource = None

    class Meta:
        # The toolkit's own code stores plaintext in this column. If an upgrade ever reaches it,
        # saving fails instead.
        constraints = [
            models.CheckConstraint(condition=Q(token=""), name="access_token_is_not_stored")
        ]


class RefreshTokenQuerySet(models.QuerySet["RefreshToken"]):
    def live(self) -> RefreshTokenQuerySet:
        return self.filter(revoked=None)


class RefreshToken(AbstractRefreshToken):  # type: ignore[misc]
    """A refresh token, good for one use.

    The tokens that descend from one consent are a family. Presenting a used one ends the family.
    """

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
