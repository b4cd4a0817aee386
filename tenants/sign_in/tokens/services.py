"""Signing people in with tokens, and out again.

Nothing that a token says is trusted but its ids: who it stands for is read with each request, so what ends here, or with the
user or their password, has ended for the next request everywhere. There is no lease to wait for.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from config.lib.ids import uuid7
from tenants import conf
from tenants.models import User
from tenants.sign_in.tokens import token
from tenants.sign_in.tokens.errors import InvalidToken, RefreshReused
from tenants.sign_in.tokens.models import EndReason, RefreshToken, TokenFamily, password_mark
from tenants.sign_in.tokens.token import Token, Use

ACCESS_LIFETIME = timedelta(hours=1)
# Two requests of one program may refresh at the same moment. The one that comes second is refused, and that is all.
PARALLEL = timedelta(seconds=10)
SLICE = 100


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sign-in came from. The user agent is as the column takes it."""

    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class TokenPair:
    access: str = field(repr=False)
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserToken:
    """An access token that stood when it was read."""

    id: uuid.UUID
    user: User
    family_id: uuid.UUID
    expires_at: datetime


@transaction.atomic
def sign_in(*, user: User, origin: Origin, at: datetime) -> TokenPair:
    """Begin a family for somebody who just proved who they are."""
    User.objects.filter(pk=user.pk).update(last_login=at)
    family = TokenFamily.objects.create(
        user=user,
        password_mark=password_mark(user),
        created_at=at,
        expires_at=at + conf.family_lifetime(),
        ip=origin.ip or None,
        user_agent=origin.user_agent,
    )
    return _issue(family, at, replaces=None)


def authenticate(presented: str, *, at: datetime) -> UserToken:
    """Return whom an access token stands for, in one query. Raises InvalidToken, ExpiredToken."""
    said = _read(presented, Use.ACCESS, at)
    family = (
        TokenFamily.objects.select_related("user")
        .filter(pk=said.family_id, user_id=said.user_id)
        .first()
    )
    if family is None or not family.stands(at):
        raise InvalidToken()
    return UserToken(id=said.id, user=family.user, family_id=family.pk, expires_at=said.expires_at)


def refresh(
    presented: str, *, at: datetime, address: str, spend: Callable[[uuid.UUID], None]
) -> TokenPair:
    """Use a refresh token up and return its successors. Raises InvalidToken, ExpiredToken.

    Raises RefreshReused, having ended the family, for one that was used before: whoever holds it, the one or the other,
    has a copy (RFC 9700, 4.14.2). What `spend` raises at the family's id leaves the token as it was. A second use is not
    asked for: a thief who spends all that a family may must not hide behind that.
    """
    said = _read(presented, Use.REFRESH, at)
    with transaction.atomic():
        family = _locked(said, at)
        if RefreshToken.objects.filter(pk=said.id, family=family, used_at=None).update(used_at=at):
            spend(family.pk)
            return _issue(family, at, replaces=said.id)
        _refuse_second_use(said, family, at, address)
    raise RefreshReused()


def sign_out(presented: str, *, at: datetime) -> None:
    """End the family of a refresh token, used or not. Doing it twice changes nothing. Raises InvalidToken, ExpiredToken."""
    end_family(_read(presented, Use.REFRESH, at).family_id, at=at)


def end_family(family_id: uuid.UUID, *, at: datetime) -> None:
    TokenFamily.objects.filter(pk=family_id, revoked_at=None).update(
        revoked_at=at, revoke_reason=EndReason.SIGNED_OUT
    )


@transaction.atomic
def end_one(*, family: TokenFamily, by: Actor, at: datetime) -> None:
    """End one sign-in of a person's, which is trailed. Doing it twice changes nothing."""
    if (
        TokenFamily.objects.standing(at)
        .filter(pk=family.pk)
        .update(revoked_at=at, revoke_reason=EndReason.SIGNED_OUT)
    ):
        data = {"reason": EndReason.SIGNED_OUT.value, "sign_in": family.public_id}
        trail.record(Action.USER_TOKENS_REVOKED, by=by, target=family.as_target(), data=data)


@transaction.atomic
def end_all(*, user: User, reason: EndReason, by: Actor, at: datetime) -> None:
    """End every family of a user."""
    ended = (
        TokenFamily.objects.standing(at)
        .filter(user=user)
        .update(revoked_at=at, revoke_reason=reason)
    )
    if ended:
        data = {"reason": reason.value, "sign_ins": ended}
        trail.record(Action.USER_TOKENS_REVOKED, by=by, target=user.as_target(), data=data)


def prune(*, before: datetime) -> None:
    """Remove families that ended by themselves before then, a slice a transaction."""
    ended = TokenFamily.objects.filter(expires_at__lt=before).order_by("expires_at")
    while slice_ := list(ended.values_list("pk", flat=True)[:SLICE]):
        TokenFamily.objects.filter(pk__in=slice_).delete()


def _read(presented: str, use: Use, at: datetime) -> Token:
    return token.read(presented, use, keys=conf.signing_keys(), issuer=conf.issuer(), at=at)


def _issue(family: TokenFamily, at: datetime, *, replaces: uuid.UUID | None) -> TokenPair:
    stored = RefreshToken.objects.create(family=family, replaces_id=replaces)
    access = Token(Use.ACCESS, uuid7(), family.user_id, family.pk, at, at + ACCESS_LIFETIME)
    expires_at = min(at + conf.refresh_lifetime(), family.expires_at)
    renewal = Token(Use.REFRESH, stored.pk, family.user_id, family.pk, at, expires_at)
    key, issuer = conf.signing_keys()[0], conf.issuer()
    return TokenPair(
        token.sign(access, key=key, issuer=issuer), token.sign(renewal, key=key, issuer=issuer)
    )


def _locked(said: Token, at: datetime) -> TokenFamily:
    """The lock makes whatever happens to one family happen one after another."""
    families = TokenFamily.objects.select_for_update(of=("self",)).select_related("user")
    family = families.filter(pk=said.family_id, user_id=said.user_id).first()
    if family is None or not family.stands(at):
        raise InvalidToken()
    return family


def _refuse_second_use(said: Token, family: TokenFamily, at: datetime, address: str) -> None:
    """Raise InvalidToken for the loser of a race; otherwise end the family."""
    used = (
        RefreshToken.objects.select_related("successor").filter(pk=said.id, family=family).first()
    )
    if used is None or used.used_at is None:
        raise InvalidToken()
    # Once the successor was used as well, nobody can still be waiting for the answer to this one.
    if at - used.used_at <= PARALLEL and used.successor.used_at is None:
        raise InvalidToken(
            "This refresh token was used a moment ago. Go on with the tokens that were answered then."
        )
    TokenFamily.objects.filter(pk=family.pk).update(revoked_at=at, revoke_reason=EndReason.REUSED)
    by = Actor(kind="system", id="", name="refresh token reuse", address=address)
    trail.record(
        Action.REFRESH_TOKEN_REUSED,
        by=by,
        target=family.as_target(),
        data={"sign_in": family.public_id},
    )
