"""Changes to codes and tokens: consent, redeem, refresh, revoke and prune."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apikeys import conf as keys_conf
from apikeys.oauth import conf, token_format
from apikeys.oauth.errors import AlreadyUsed
from apikeys.oauth.models import AccessToken, Application, Grant, RefreshToken
from apikeys.oauth.token_format import TokenKind
from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases
from tenants.changes.leases import Receipt
from tenants.models import Membership

# How long a redeemed code is kept to detect that it is presented again.
USED_CODES_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user allows an application to do.

    `challenge` is None if the application authorizes without PKCE.
    """

    application: Application
    membership: Membership
    scopes: Collection[str]
    redirect_uri: str
    challenge: str | None


@transaction.atomic
def consent(given: Consent, *, code: str, by: Actor) -> None:
    """Store an authorization code for the consent and record it in the trail."""
    Grant.objects.create(
        application=given.application,
        user=given.membership.user,
        membership=given.membership,
        code=_stored(code, TokenKind.CODE),
        expires=timezone.now() + conf.CODE_LIFETIME,
        redirect_uri=given.redirect_uri,
        scope=" ".join(sorted(given.scopes)),
        code_challenge=given.challenge or "",
        code_challenge_method="S256" if given.challenge else "",
    )
    _record(Action.APPLICATION_AUTHORIZED, given.application, by, {"scopes": sorted(given.scopes)})


@dataclass(frozen=True, slots=True)
class Minted:
    """New tokens in plaintext, about to be handed out. A service gets no refresh token."""

    access: str
    refresh: str | None
    scopes: Collection[str]


def issue(*, application: Application, minted: Minted) -> None:
    """Store an access token of a service, which acts for no user."""
    _store_access(application, None, minted)


@transaction.atomic
def redeem(*, grant: Grant, minted: Minted) -> None:
    """Redeem a code for tokens. Raises AlreadyUsed if a concurrent request redeemed it first."""
    # The conditional UPDATE decides the race, and is in one transaction with the tokens: a failure
    # to store them leaves the code usable. A code is marked as used and not deleted, so that
    # presenting it again can be told from presenting an unknown one.
    if not Grant.objects.filter(pk=grant.pk, used_at=None).update(used_at=timezone.now()):
        raise AlreadyUsed()
    _store_pair(grant.application, grant.membership, grant.family, minted)


def refresh(*, used: RefreshToken, minted: Minted) -> Receipt:
    """Replace a refresh token and its access token.

    Raises AlreadyUsed if a concurrent request refreshed first. Only a token that was used before
    this request began ends the family, so that a client's parallel refreshes do not disconnect it.
    """
    with transaction.atomic():
        # Retire the old token before storing new ones: the losers of a race must store none.
        if (
            not RefreshToken.objects.live()
            .filter(pk=used.pk)
            .update(revoked=timezone.now(), access_token=None)
        ):
            raise AlreadyUsed()
        AccessToken.objects.filter(pk=used.access_token_id).delete()
        _store_pair(used.application, used.membership, used.token_family, minted)
    return leases.end()  # the replaced access token may still be leased


def _store_pair(
    application: Application, membership: Membership, family: uuid.UUID, minted: Minted
) -> None:
    if minted.refresh is None:
        raise ValueError("a user's access token needs a refresh token")
    access = _store_access(application, membership, minted)
    RefreshToken.objects.create(
        application=application,
        user=membership.user,
        membership=membership,
        access_token=access,
        token_checksum=_stored(minted.refresh, TokenKind.REFRESH),
        token_family=family,
        expires_at=timezone.now() + conf.refresh_lifetime(),
    )


def _store_access(
    application: Application, membership: Membership | None, minted: Minted
) -> AccessToken:
    access: AccessToken = AccessToken.objects.create(
        application=application,
        user=membership.user if membership else None,
        membership=membership,
        token_checksum=_stored(minted.access, TokenKind.ACCESS),
        expires=timezone.now() + conf.token_lifetime(),
        scope=" ".join(sorted(minted.scopes)),
    )
    return access


def end_family(*, family: uuid.UUID, application: Application, why: str) -> Receipt:
    """Revoke every token that descends from one consent.

    Called when a used code or refresh token is presented. Two parties hold it then, and Keyway
    cannot tell which one is the thief.
    """
    with transaction.atomic():
        # Checked first, so that presenting a stolen token a thousand times makes one entry of the
        # trail.
        if RefreshToken.objects.live().filter(token_family=family).exists():
            RefreshToken.revoke_family(family)
            _record(
                Action.APPLICATION_TOKENS_ENDED, application, application.as_actor(), {"why": why}
            )
    return leases.end()


def revoke(*, application: Application, stored: str, by: Actor) -> Receipt:
    """Revoke a token of this application, and its family if a user authorized it.

    Other applications' tokens are ignored like unknown ones.
    """
    with transaction.atomic():
        refreshes = RefreshToken.objects.filter(application=application)
        token = (
            refreshes.filter(token_checksum=stored).first()
            or refreshes.filter(access_token__token_checksum=stored).first()
        )
        if token is not None:
            ended = RefreshToken.objects.live().filter(token_family=token.token_family).exists()
            RefreshToken.revoke_family(token.token_family)
        else:
            tokens = AccessToken.objects.filter(application=application, token_checksum=stored)
            ended = bool(tokens.delete()[0])
        if ended:
            _record(Action.APPLICATION_TOKENS_ENDED, application, by, {"why": "revoked"})
    return leases.end()


def withdraw(*, application: Application, membership: Membership, by: Actor) -> Receipt:
    """Withdraw a user's consent: delete all tokens and codes the application has for the user."""
    with transaction.atomic():
        granted = {"application": application, "membership": membership}
        refreshes = RefreshToken.objects.filter(**granted).delete()[0]
        # Codes too: one that is not redeemed yet would yield new tokens right after the withdrawal.
        codes = Grant.objects.filter(**granted).delete()[0]
        if AccessToken.objects.filter(**granted).delete()[0] or refreshes or codes:
            _record(Action.APPLICATION_TOKENS_ENDED, application, by, {"why": "withdrawn"})
    return leases.end()


def prune() -> int:
    """Delete rows that are neither usable nor needed to detect theft. Returns how many."""
    now = timezone.now()
    # Revoked refresh tokens stay until they expire, because presenting one must still end its
    # family.
    over = [
        RefreshToken.objects.filter(expires_at__lte=now),
        AccessToken.objects.filter(expires__lte=now, refresh_token=None),
        Grant.objects.filter(expires__lte=now, used_at=None),
        Grant.objects.filter(used_at__lte=now - USED_CODES_KEPT),
    ]
    return sum(rows.delete()[0] for rows in over)


def _stored(token: str, kind: TokenKind) -> str:
    stored = token_format.digest(token, kind, keys_conf.peppers())
    if stored is None:
        raise ValueError(f"not minted here as {kind.name}")
    return stored


def _record(action: Action, application: Application, by: Actor, data: dict[str, object]) -> None:
    trail.record(
        action,
        organization=application.organization_id,
        by=by,
        target=application.as_target(),
        data=data,
    )
