"""What happens to codes and tokens: consent, redeeming, refreshing, the end of a family."""

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
from apikeys.oauth.token_format import Use
from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases
from tenants.changes.leases import Receipt
from tenants.models import Membership

# A redeemed code is remembered for as long as somebody might try it again and its tokens be worth ending.
USED_CODES_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allows an application."""

    application: Application
    membership: Membership
    scopes: Collection[str]
    redirect_uri: str
    challenge: str


@transaction.atomic
def consent(given: Consent, *, code: str, by: Actor) -> None:
    """Keep the code that stands for it."""
    Grant.objects.create(
        application=given.application,
        user=given.membership.user,
        membership=given.membership,
        code=_stored(code, Use.CODE),
        expires=timezone.now() + conf.CODE_LIFETIME,
        redirect_uri=given.redirect_uri,
        scope=" ".join(sorted(given.scopes)),
        code_challenge=given.challenge,
        code_challenge_method="S256",
    )
    _record(Action.APPLICATION_AUTHORIZED, given.application, by, {"scopes": sorted(given.scopes)})


@dataclass(frozen=True, slots=True)
class Minted:
    """Tokens about to be handed out, in the clear. Without a refresh token for a service."""

    access: str
    refresh: str | None
    scopes: Collection[str]


def issue(*, application: Application, minted: Minted) -> None:
    """For a service, which is nobody's."""
    _keep_access(application, None, minted)


@transaction.atomic
def redeem(*, grant: Grant, minted: Minted) -> None:
    """Exchange a code. Of several at once one comes first; the others get AlreadyUsed."""
    if not Grant.objects.filter(pk=grant.pk, used_at=None).update(used_at=timezone.now()):
        raise AlreadyUsed()
    _keep_pair(grant.application, grant.membership, grant.family, minted)


def refresh(*, used: RefreshToken, minted: Minted) -> Receipt:
    """Replace a refresh token and its access token. Of several at once one comes first; the others get AlreadyUsed."""
    with transaction.atomic():
        if (
            not RefreshToken.objects.live()
            .filter(pk=used.pk)
            .update(revoked=timezone.now(), access_token=None)
        ):
            raise AlreadyUsed()
        AccessToken.objects.filter(pk=used.access_token_id).delete()
        _keep_pair(used.application, used.membership, used.token_family, minted)
    return leases.end()  # the access token that it replaced was good until now


def _keep_pair(
    application: Application, membership: Membership, family: uuid.UUID, minted: Minted
) -> None:
    if minted.refresh is None:
        raise ValueError("a person's token comes with one to refresh it")
    access = _keep_access(application, membership, minted)
    RefreshToken.objects.create(
        application=application,
        user=membership.user,
        membership=membership,
        access_token=access,
        token_checksum=_stored(minted.refresh, Use.REFRESH),
        token_family=family,
        expires_at=timezone.now() + conf.refresh_lifetime(),
    )


def _keep_access(
    application: Application, membership: Membership | None, minted: Minted
) -> AccessToken:
    access: AccessToken = AccessToken.objects.create(
        application=application,
        user=membership.user if membership else None,
        membership=membership,
        token_checksum=_stored(minted.access, Use.ACCESS),
        expires=timezone.now() + conf.token_lifetime(),
        scope=" ".join(sorted(minted.scopes)),
    )
    return access


def end_family(*, family: uuid.UUID, application: Application, why: str) -> Receipt:
    """End all that came of one consent: something of it was presented that was used before, so somebody else has it."""
    with transaction.atomic():
        if RefreshToken.objects.live().filter(token_family=family).exists():
            RefreshToken.revoke_family(family)
            _record(
                Action.APPLICATION_TOKENS_ENDED, application, application.as_actor(), {"why": why}
            )
    return leases.end()


def revoke(*, application: Application, stored: str, by: Actor) -> Receipt:
    """End a token of the application's, and the one that belongs to it. What is not its own is as unknown as any other."""
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
            ended = bool(
                AccessToken.objects.filter(application=application, token_checksum=stored).delete()[
                    0
                ]
            )
        if ended:
            _record(Action.APPLICATION_TOKENS_ENDED, application, by, {"why": "revoked"})
    return leases.end()


def withdraw(*, application: Application, membership: Membership, by: Actor) -> Receipt:
    """A person takes back all that they allowed an application."""
    with transaction.atomic():
        theirs = {"application": application, "membership": membership}
        refreshes = RefreshToken.objects.filter(**theirs).delete()[0]
        codes = Grant.objects.filter(**theirs).delete()[0]
        if AccessToken.objects.filter(**theirs).delete()[0] or refreshes or codes:
            _record(Action.APPLICATION_TOKENS_ENDED, application, by, {"why": "withdrawn"})
    return leases.end()


def prune() -> int:
    """Delete what can neither be presented nor tell of a theft any more, and say how much that was."""
    now = timezone.now()
    over = [
        RefreshToken.objects.filter(expires_at__lte=now),
        AccessToken.objects.filter(expires__lte=now, refresh_token=None),
        Grant.objects.filter(expires__lte=now, used_at=None),
        Grant.objects.filter(used_at__lte=now - USED_CODES_KEPT),
    ]
    return sum(rows.delete()[0] for rows in over)


def _stored(token: str, use: Use) -> str:
    stored = token_format.digest(token, use, keys_conf.peppers())
    if stored is None:
        raise ValueError(f"not minted here as {use.name}")
    return stored


def _record(action: Action, application: Application, by: Actor, data: dict[str, object]) -> None:
    trail.record(
        action,
        organization=application.organization_id,
        by=by,
        target=application.as_target(),
        data=data,
    )
