"""A user with a second factor gets no token with the password alone."""

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache

from tenants.models import User
from tenants.sign_in.tokens.models import TokenFamily
from tests.conftest import PASSWORD, api

pytestmark = pytest.mark.django_db
LOGIN = "/api/v1/auth/login"


@pytest.fixture
def secret(bob: User) -> str:
    secret: str = generate_totp_secret()
    TOTP.activate(bob, secret)
    return secret


@pytest.fixture
def recovery(bob: User, secret: str) -> list[str]:
    codes: list[str] = RecoveryCodes.activate(bob).generate_codes()
    return codes


@pytest.fixture(autouse=True)
def _clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock, so that no TOTP period ends between making a code and sending it."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


def code(secret: str, periods: int = 0) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + periods)))


def login(user: User, **fields: Any) -> tuple[int, str]:
    response = api().post(
        LOGIN, {"email": user.email, "password": PASSWORD} | fields, format="json"
    )
    return response.status_code, response.json().get("code", "")


def test_password_alone_gets_mfa_required(bob: User, secret: str) -> None:
    assert login(bob) == login(bob, code=None) == (401, "mfa_required")
    assert not TokenFamily.objects.exists()
    assert login(bob, code=code(secret)) == (200, "")


def test_wrong_password_does_not_reveal_mfa(bob: User, secret: str) -> None:
    for more in ({}, {"code": code(secret)}):
        assert login(bob, password="wrong", **more) == (401, "invalid_login")


def test_wrong_or_old_code_is_refused(bob: User, secret: str) -> None:
    for wrong in ("000000", code(secret, -3), code(secret, 3), " ", "é", "1" * 64):
        cache.clear()
        assert login(bob, code=wrong) == (401, "invalid_login")
    assert not TokenFamily.objects.exists()


def test_totp_code_works_once_across_processes(bob: User, secret: str) -> None:
    assert login(bob, code=code(secret)) == (200, "")
    assert login(bob, code=code(secret)) == (401, "invalid_login")
    cache.clear()  # another process does not have this process's cache
    assert login(bob, code=code(secret)) == (401, "invalid_login")
    assert TokenFamily.objects.count() == 1


def test_recovery_code_works_once(bob: User, recovery: list[str]) -> None:
    assert login(bob, code=recovery[0]) == (200, "")
    assert login(bob, code=recovery[0]) == (401, "invalid_login")
    assert login(bob, code=recovery[1]) == (200, "")
    assert (
        Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES).last_used_at is not None
    )


def test_five_wrong_codes_block_the_login(bob: User, secret: str) -> None:
    responses = [login(bob, code=f"{number:06}")[0] for number in range(5)]
    assert responses == [401] * 5
    limited = api().post(
        LOGIN, {"email": bob.email, "password": PASSWORD, "code": code(secret)}, format="json"
    )
    assert (limited.status_code, limited["Retry-After"]) == (429, "300")


def test_another_users_code_is_refused(bob: User, carol: User, secret: str) -> None:
    theirs = generate_totp_secret()
    TOTP.activate(carol, theirs)
    assert login(bob, code=code(theirs)) == (401, "invalid_login")
    assert login(carol, code=code(theirs)) == (200, "")
