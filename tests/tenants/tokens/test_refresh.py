"""Refresh tokens work once. Reuse revokes the sign-in (RFC 9700, 4.14.2)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from audit import trail
from audit.models import TrailEntry
from audit.trail.actions import Action
from config.lib.limits import limiter
from config.lib.rates import Rate
from tenants.models import User
from tenants.sign_in.tokens import services
from tenants.sign_in.tokens.errors import ExpiredToken, InvalidToken, RefreshReused
from tenants.sign_in.tokens.models import EndReason, RefreshToken, TokenFamily
from tenants.sign_in.tokens.services import PARALLEL, TokenPair
from tests.conftest import api
from tests.tenants.tokens.forge import ORIGIN, SECOND, accepted, refreshed, signed_in

pytestmark = pytest.mark.django_db
REFRESH = "/api/v1/auth/refresh"


def test_refresh_returns_two_valid_tokens(bob: User) -> None:
    first = signed_in(bob)
    response = api().post(REFRESH, {"refresh_token": first.refresh}, format="json")
    assert response.status_code == 200
    assert set(response.json()) == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert response["Cache-Control"] == "no-store"
    assert accepted(response.json()["access_token"]).user == accepted(first.access).user == bob
    assert refreshed(response.json()["refresh_token"])


def test_race_loser_is_refused_winner_goes_on(bob: User) -> None:
    first, now = signed_in(bob), timezone.now()
    winner = refreshed(first.refresh, now)
    with pytest.raises(InvalidToken):
        refreshed(first.refresh, now + PARALLEL)
    assert accepted(winner.access)
    assert refreshed(winner.refresh)


def test_reuse_revokes_the_family_and_is_trailed(bob: User, carol: User) -> None:
    first, bystander, now = signed_in(bob), signed_in(carol), timezone.now()
    winner, another = refreshed(first.refresh, now), signed_in(bob)
    assert accepted(winner.access)
    with pytest.raises(RefreshReused):
        refreshed(first.refresh, now + PARALLEL + SECOND)
    for token in (first.access, winner.access):
        with pytest.raises(InvalidToken):
            accepted(token)
    with pytest.raises(InvalidToken):
        refreshed(winner.refresh)
    entry = TrailEntry.objects.get(action=Action.REFRESH_TOKEN_REUSED)
    assert (entry.organization_id, entry.target_id) == (trail.PLATFORM, bob.public_id)
    assert "203.0.113.9" in entry.body
    assert accepted(another.access)
    assert accepted(bystander.access)
    assert TokenFamily.objects.exclude(revoked_at=None).get().revoke_reason == EndReason.REUSED


def test_older_token_is_reuse_within_the_race_window(bob: User) -> None:
    first, now = signed_in(bob), timezone.now()
    third = refreshed(refreshed(first.refresh, now).refresh, now + SECOND)
    with pytest.raises(RefreshReused):
        refreshed(first.refresh, now + 2 * SECOND)
    with pytest.raises(InvalidToken):
        refreshed(third.refresh)


def test_reuse_has_its_own_error_over_http(bob: User) -> None:
    first = signed_in(bob)
    refreshed(first.refresh, timezone.now() - PARALLEL - SECOND)
    response = api().post(REFRESH, {"refresh_token": first.refresh}, format="json")
    assert (response.status_code, response.json()["code"]) == (401, "refresh_reused")
    assert response["WWW-Authenticate"].startswith("Bearer ")


def test_untrailed_reuse_rolls_back_and_is_found_later(
    bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = signed_in(bob)
    refreshed(first.refresh, timezone.now() - PARALLEL - SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(
            TrailEntry, "save", lambda *a, **k: (_ for _ in ()).throw(IntegrityError("gone"))
        )
        response = api().post(REFRESH, {"refresh_token": first.refresh}, format="json")
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert not TokenFamily.objects.exclude(revoked_at=None).exists()
    with pytest.raises(RefreshReused):
        refreshed(first.refresh)


def test_refresh_and_sign_in_lifetimes_are_exact(bob: User, settings: Settings) -> None:
    now = timezone.now().replace(microsecond=0)
    with pytest.raises(ExpiredToken):
        refreshed(signed_in(bob, at=now).refresh, now + timedelta(days=14))
    pair = signed_in(bob, at=now)
    for day in (13, 26):
        pair = refreshed(pair.refresh, now + timedelta(days=day, hours=23))
    end = now + timedelta(days=30)
    pair = refreshed(pair.refresh, end - SECOND)
    assert accepted(pair.access, at=end - SECOND)
    for attempt in (lambda: accepted(pair.access, at=end), lambda: refreshed(pair.refresh, end)):
        with pytest.raises((InvalidToken, ExpiredToken)):
            attempt()


def test_database_allows_one_successor(bob: User) -> None:
    signed_in(bob)
    first = RefreshToken.objects.get()
    RefreshToken.objects.create(family=first.family, replaces=first)
    with pytest.raises(IntegrityError), transaction.atomic():
        RefreshToken.objects.create(family=first.family, replaces=first)


def ask(token: str) -> Any:
    return api().post(REFRESH, {"refresh_token": token}, format="json")


def test_refresh_limit_is_per_sign_in_and_keeps_the_token(
    bob: User, carol: User, settings: Settings
) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"refresh": Rate(2, 60)}
    mine, elsewhere, hers = signed_in(bob).refresh, signed_in(bob).refresh, signed_in(carol).refresh
    for _ in range(2):
        mine = ask(mine).json()["refresh_token"]
    limited = ask(mine)
    assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
    assert 0 < int(limited["Retry-After"]) <= 62
    assert ask(elsewhere).status_code == ask(hers).status_code == 200
    limiter.forget()
    assert ask(mine).status_code == 200


def test_reuse_is_found_beyond_the_limit(bob: User, settings: Settings) -> None:
    """A thief who uses up the rate limit is still found when the owner presents the old token."""
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"refresh": Rate(2, 60)}
    owners = signed_in(bob).refresh
    thiefs = refreshed(refreshed(owners).refresh).refresh
    assert ask(thiefs).status_code == 429
    assert ask(owners).json()["code"] == "refresh_reused"
    assert ask(thiefs).json()["code"] == "invalid_token"


def test_invalid_tokens_do_not_use_up_a_limit(bob: User, settings: Settings) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"refresh": Rate(1, 60)}
    good = signed_in(bob)
    for wrong in (good.access, f"{good.refresh[:-8]}AAAAAAAA", "x.y.z"):
        assert ask(wrong).status_code == 401
    assert ask(good.refresh).status_code == 200


def test_inactive_user_cannot_refresh(bob: User) -> None:
    pair = signed_in(bob)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    with pytest.raises(InvalidToken):
        refreshed(pair.refresh)
    assert RefreshToken.objects.get().used_at is None


MALFORMED = [
    b"", b"[]", b'{"refresh_token":"a","refresh_token":"b"}', b"\xff", b"[" * 5000,
]  # fmt: skip
INVALID = [
    b"{}", b'{"refresh_token":1}', b'{"refresh_token":"\\ud800"}', b'{"refresh_token":"a","x":1}',
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        *((body, 400, "malformed_body") for body in MALFORMED),
        *((body, 422, "validation_failed") for body in INVALID),
    ],
)
def test_malformed_or_invalid_refresh_is_refused(body: bytes, status: int, code: str) -> None:
    response = api().post(REFRESH, data=body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("token", ["x", "a.b.c", "é.b.c", "a" * 8000, "a.b.c d", "\x00"])
def test_text_that_is_not_a_token_is_refused(token: str) -> None:
    response = api().post(REFRESH, {"refresh_token": token}, format="json")
    assert (response.status_code, response.json()["code"]) in {
        (401, "invalid_token"),
        (422, "validation_failed"),
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite lets one writer in at a time"
)
def test_parallel_refreshes_have_one_winner(bob: User) -> None:
    for _ in range(5):
        pair, together = signed_in(bob), Barrier(6)
        with ThreadPoolExecutor(6) as threads:
            outcomes = list(threads.map(_at_once, [together] * 6, [pair.refresh] * 6))
        winners = [outcome for outcome in outcomes if isinstance(outcome, TokenPair)]
        assert len(winners) == 1
        assert {type(outcome) for outcome in outcomes} == {TokenPair, InvalidToken}
        assert accepted(winners[0].access)
        assert refreshed(winners[0].refresh)


def _at_once(together: Barrier, token: str) -> Any:
    try:
        together.wait(10)
        return refreshed(token)
    except InvalidToken as error:
        return error
    finally:
        connection.close()


def test_prune_removes_only_expired_families(bob: User) -> None:
    now = timezone.now()
    for number in range(3):
        refreshed(
            signed_in(bob, at=now - timedelta(days=31 + number)).refresh,
            now - timedelta(days=30 + number),
        )
    living = signed_in(bob, at=now)
    services.prune(before=now)
    assert TokenFamily.objects.count() == RefreshToken.objects.count() == 1
    assert TokenFamily.objects.get().ip == ORIGIN.ip
    assert accepted(living.access)
