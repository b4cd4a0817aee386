"""Issue, refresh, authenticate and revoke user tokens.

A token carries ids, no rights. Each request reads the sign-in and the user from the database, so
revoking a sign-in, deactivating the user or changing the password applies to the next request in
every process. No lease is involved, so no change has to wait.

Refresh tokens rotate: each works once and is replaced (RFC 9700, 4.14.2). All tokens of one sign-in
form a family. A second use means that two parties hold the token, so the family is revoked.
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
from tenants.sign_in import arrivals
from tenants.sign_in.arrivals import SignIn
from tenants.sign_in.tokens import token
from tenants.sign_in.tokens.errors import InvalidToken, RefreshReused
from tenants.sign_in.tokens.models import EndReason, RefreshToken, TokenFamily, password_mark
from tenants.sign_in.tokens.token import JwtUse, Token

ACCESS_LIFETIME = timedelta(hours=1)
# A program may refresh twice in parallel. Within this time the second request is refused without
# revoking the family. It never gets tokens, so a thief gains nothing from the allowance.
PARALLEL = timedelta(seconds=10)
SLICE = 100


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sign-in came from. `user_agent` is already cut to the column's length."""

    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class TokenPair:
    access: str = field(repr=False)
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserToken:
    """An access token that was valid when it was read."""

    id: uuid.UUID
    user: User
    family_id: uuid.UUID
    expires_at: datetime


@transaction.atomic
def sign_in(*, user: User, origin: Origin, at: datetime) -> TokenPair:
    """Start a family for a user who has just proved their identity."""
    User.objects.filter(pk=user.pk).update(last_login=at)
    family = TokenFamily.objects.create(
        user=user,
        password_mark=password_mark(user),
        created_at=at,
        expires_at=at + conf.family_lifetime(),
        ip=origin.ip or None,
        user_agent=origin.user_agent,
    )
    arrivals.announce(SignIn(user, origin.ip, origin.user_agent, at))
    return _issue(family, at, replaces=None)


def authenticate(presented: str, *, at: datetime) -> UserToken:
    """Return the access token and its user, in one query. Raises InvalidToken, ExpiredToken."""
    claimed = _verify(presented, JwtUse.ACCESS, at)
    family = (
        TokenFamily.objects.select_related("user")
        .filter(pk=claimed.family_id, user_id=claimed.user_id)
        .first()
    )
    if family is None or not family.is_valid(at):
        raise InvalidToken()
    return UserToken(
        id=claimed.id, user=family.user, family_id=family.pk, expires_at=claimed.expires_at
    )


def refresh(
    presented: str, *, at: datetime, address: str, spend: Callable[[uuid.UUID], None]
) -> TokenPair:
    """Use up a refresh token and return a new pair. Raises InvalidToken, ExpiredToken.

    Raises RefreshReused for a token that was used before, after revoking its family.

    `spend` is called with the family's id to count against its rate limit. If it raises, the
    transaction rolls back and the token can still be used.
    """
    claimed = _verify(presented, JwtUse.REFRESH, at)
    with transaction.atomic():
        family = _lock_family(claimed, at)
        # Conditional, so that exactly one of two parallel requests sees a row change.
        if RefreshToken.objects.filter(pk=claimed.id, family=family, used_at=None).update(
            used_at=at
        ):
            # Only first uses count against the limit, and after the update: a thief must not be
            # able to use up the limit and so hide a second use behind "too many requests".
            spend(family.pk)
            return _issue(family, at, replaces=claimed.id)
        _refuse_second_use(claimed, family, at, address)
    # Outside the transaction: raising inside would roll back the revocation and its trail entry.
    raise RefreshReused()


def sign_out(presented: str, *, at: datetime) -> None:
    """Revoke the family of a refresh token, used or not. Idempotent.

    Raises InvalidToken, ExpiredToken.
    """
    end_family(_verify(presented, JwtUse.REFRESH, at).family_id, at=at)


def end_family(family_id: uuid.UUID, *, at: datetime) -> None:
    TokenFamily.objects.filter(pk=family_id, revoked_at=None).update(
        revoked_at=at, revoke_reason=EndReason.SIGNED_OUT
    )


@transaction.atomic
def end_one(*, family: TokenFamily, by: Actor, at: datetime) -> None:
    """Revoke one sign-in and record it in the trail. Idempotent."""
    if (
        TokenFamily.objects.valid(at)
        .filter(pk=family.pk)
        .update(revoked_at=at, revoke_reason=EndReason.SIGNED_OUT)
    ):
        data = {"reason": EndReason.SIGNED_OUT.value, "sign_in": family.public_id}
        trail.record(Action.USER_TOKENS_REVOKED, by=by, target=family.as_target(), data=data)


@transaction.atomic
def end_all(*, user: User, reason: EndReason, by: Actor, at: datetime) -> None:
    """Revoke every sign-in of a user and record their number in the trail."""
    ended = (
        TokenFamily.objects.valid(at).filter(user=user).update(revoked_at=at, revoke_reason=reason)
    )
    if ended:
        data = {"reason": reason.value, "sign_ins": ended}
        trail.record(Action.USER_TOKENS_REVOKED, by=by, target=user.as_target(), data=data)


def prune(*, before: datetime) -> None:
    """Delete families that expired before this time, one slice per transaction.

    Revoked families are kept until they would have expired.
    """
    ended = TokenFamily.objects.filter(expires_at__lt=before).order_by("expires_at")
    while slice_ := list(ended.values_list("pk", flat=True)[:SLICE]):
        TokenFamily.objects.filter(pk__in=slice_).delete()


def _verify(presented: str, use: JwtUse, at: datetime) -> Token:
    return token.read(presented, use, keys=conf.signing_keys(), issuer=conf.issuer(), at=at)


def _issue(family: TokenFamily, at: datetime, *, replaces: uuid.UUID | None) -> TokenPair:
    stored = RefreshToken.objects.create(family=family, replaces_id=replaces)
    access = Token(JwtUse.ACCESS, uuid7(), family.user_id, family.pk, at, at + ACCESS_LIFETIME)
    expires_at = min(at + conf.refresh_lifetime(), family.expires_at)
    renewal = Token(JwtUse.REFRESH, stored.pk, family.user_id, family.pk, at, expires_at)
    key, issuer = conf.signing_keys()[0], conf.issuer()
    return TokenPair(
        token.sign(access, key=key, issuer=issuer), token.sign(renewal, key=key, issuer=issuer)
    )


def _lock_family(claimed: Token, at: datetime) -> TokenFamily:
    """Lock and return the token's family. Raises InvalidToken if it is not valid.

    Requests for one family run one after another from here on. Locking before the token is marked
    as used means that a second use always sees the first, its successor included.
    """
    families = TokenFamily.objects.select_for_update(of=("self",)).select_related("user")
    family = families.filter(pk=claimed.family_id, user_id=claimed.user_id).first()
    if family is None or not family.is_valid(at):
        raise InvalidToken()
    return family


def _refuse_second_use(claimed: Token, family: TokenFamily, at: datetime, address: str) -> None:
    """Raise InvalidToken if this is the loser of a race. Otherwise revoke the family."""
    used = (
        RefreshToken.objects.select_related("successor")
        .filter(pk=claimed.id, family=family)
        .first()
    )
    if used is None or used.used_at is None:
        raise InvalidToken()
    # A program that has used the successor has received it, so it cannot still be waiting for the
    # first response. Then a second use is theft, however soon it comes.
    if at - used.used_at <= PARALLEL and used.successor.used_at is None:
        raise InvalidToken(
            "This refresh token was used a moment ago. Continue with the tokens from that response."
        )
    TokenFamily.objects.filter(pk=family.pk).update(revoked_at=at, revoke_reason=EndReason.REUSED)
    by = Actor(kind="system", id="", name="refresh token reuse", address=address)
    trail.record(
        Action.REFRESH_TOKEN_REUSED,
        by=by,
        target=family.as_target(),
        data={"sign_in": family.public_id},
    )
