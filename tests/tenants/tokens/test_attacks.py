"""Attacks of RFC 8725. Each token differs from a just accepted one in one way, and is refused."""

import builtins
import hashlib
import hmac
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.lib.ids import encode, uuid7
from tenants import conf
from tenants.models import User
from tenants.sign_in.tokens import services
from tenants.sign_in.tokens.errors import ExpiredToken, InvalidToken
from tenants.sign_in.tokens.token import MOST_CHARACTERS, SKEW
from tests.conftest import api
from tests.tenants.tokens.forge import (
    HOUR,
    SECOND,
    accepted,
    another_user,
    claims,
    forged,
    header,
    opened,
    refreshed,
    segment,
    signed_in,
)

pytestmark = pytest.mark.django_db
ME = "/api/v1/auth/me"
FOREIGN = generate_private_key(65537, 2048)


@pytest.fixture
def good(bob: User) -> str:
    token = signed_in(bob).access
    assert accepted(token).user == bob
    return token


@contextmanager
def nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Assert that the code opens no socket or file and runs no query."""

    def refuse(*arguments: Any, **more: Any) -> Any:
        raise AssertionError(f"touched {arguments}")

    with monkeypatch.context() as patch, CaptureQueriesContext(connection) as queries:
        for place, name in (
            (socket, "socket"),
            (socket, "getaddrinfo"),
            (builtins, "open"),
            (os, "open"),
        ):
            patch.setattr(place, name, refuse)
        yield
    assert list(queries) == []


def refused(
    token: str, monkeypatch: pytest.MonkeyPatch, error: type[Exception] = InvalidToken
) -> None:
    with nothing_is_touched(monkeypatch), pytest.raises(error) as refusal:
        services.authenticate(token, at=timezone.now())
    assert type(refusal.value) is error


def test_forge_reproduces_a_real_token(good: str) -> None:
    """Prove that forging works, so that each refusal below has one cause.

    Also pins the bytes of the header, which tokens already issued depend on.
    """
    assert forged(header(), claims(good)) == good
    assert list(opened(good, 0)) == ["alg", "kid", "typ"]


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE", "", None])
def test_unsigned_token_is_refused(good: str, alg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    unsigned = f"{segment(header(alg=alg))}.{good.split('.')[1]}"
    for token in (f"{unsigned}.", f"{unsigned}.{good.split('.')[2]}"):
        refused(token, monkeypatch)
        assert api(HTTP_AUTHORIZATION=f"Bearer {token}").get(ME).json()["code"] == "invalid_token"


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512", "RS256"])
def test_hmac_with_the_public_key_is_refused(
    good: str, alg: str, encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = conf.signing_keys()[0].public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(alg, hashlib.sha256)
    signed = f"{segment(header(alg=alg))}.{good.split('.')[1]}"
    refused(f"{signed}.{segment(hmac.new(public, signed.encode(), digest).digest())}", monkeypatch)


JWK = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
HEADERS: dict[str, dict[str, Any]] = {
    "crit unknown": {"crit": ["keyway"], "keyway": True},
    "crit empty": {"crit": []},
    "crit exp": {"crit": ["exp"], "exp": 1},
    "jku": {"jku": "http://127.0.0.1:9/jwks.json"},
    "x5u": {"x5u": "http://127.0.0.1:9/cert.pem"},
    "jwk": {"jwk": JWK},
    "x5c": {"x5c": ["MIIB"]},
    "b64": {"b64": False},
    "b64 declared": {"b64": False, "crit": ["b64"]},
    "zip": {"zip": "DEF"},
    "cty": {"cty": "JWT"},
    "kid path": {"kid": "../../../../dev/null"},
    "kid sql": {"kid": "' OR '1'='1"},
    "kid number": {"kid": 0},
    "kid list": {"kid": ["a"]},
    "kid object": {"kid": {"kty": "oct"}},
    "kid empty": {"kid": ""},
    "kid url": {"kid": "http://127.0.0.1:9/"},
    "alg of another family": {"alg": "ES256"},
    "alg of another length": {"alg": "RS512"},
    "alg with padding": {"alg": "PS256"},
    "typ refresh": {"typ": "rt+jwt"},
    "typ plain": {"typ": "JWT"},
    "typ upper": {"typ": "AT+JWT"},
    "typ long": {"typ": "application/at+jwt"},
}


@pytest.mark.parametrize("name", HEADERS)
def test_foreign_header_is_refused_despite_the_signature(
    good: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(forged(header(**HEADERS[name]), claims(good)), monkeypatch)


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_key_inside_the_token_is_ignored(
    good: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(forged(header(**HEADERS[name]), claims(good), FOREIGN), monkeypatch)


def test_foreign_key_with_our_kid_is_refused(good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(forged(header(), claims(good), FOREIGN), monkeypatch)


def test_signature_covers_every_claim(good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, _, signature = good.split(".")
    refused(f"{head}.{segment(claims(good, sub=another_user()))}.{signature}", monkeypatch)
    refused(good[:-8], monkeypatch)
    refused(f"{head}.{good.split('.')[1]}.", monkeypatch)


def test_doubled_or_reordered_header_is_refused(good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kid = conf.signing_keys()[0].kid
    for head in (
        f'{{"alg":"none","alg":"RS256","kid":"{kid}","typ":"at+jwt"}}',
        f'{{"typ":"at+jwt","alg":"RS256","kid":"{kid}"}}',
        f'{{"alg": "RS256", "kid": "{kid}", "typ": "at+jwt"}}',
        "[" * 500,
        "null",
        "",
        "\xff",
    ):
        refused(forged(head.encode("latin-1"), claims(good)), monkeypatch)


WRONG: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "iss other": lambda c: {"iss": "https://evil.example"},
    "iss prefix": lambda c: {"iss": c["iss"][:-1]},
    "iss longer": lambda c: {"iss": c["iss"] + ".evil.example"},
    "iss slash": lambda c: {"iss": c["iss"] + "/"},
    "iss list": lambda c: {"iss": [c["iss"]]},
    "iss null": lambda c: {"iss": None},
    "aud other": lambda c: {"aud": "https://evil.example"},
    "aud prefix": lambda c: {"aud": c["aud"][:-1]},
    "aud longer": lambda c: {"aud": c["aud"] + "x"},
    "aud list": lambda c: {"aud": [c["aud"]]},
    "aud list of two": lambda c: {"aud": ["https://evil.example", c["aud"]]},
    "aud object": lambda c: {"aud": {c["aud"]: 1}},
    "aud refresh": lambda c: {"aud": c["aud"] + "auth/refresh"},
    "sub number": lambda c: {"sub": 1},
    "sub null": lambda c: {"sub": None},
    "sub list": lambda c: {"sub": [c["sub"]]},
    "sub object": lambda c: {"sub": {"id": c["sub"]}},
    "sub of a key": lambda c: {"sub": c["sub"].replace("usr_", "key_")},
    "sub with NUL": lambda c: {"sub": c["sub"] + "\x00"},
    "sub lone surrogate": lambda c: {"sub": "\ud800"},
    "sub empty": lambda c: {"sub": ""},
    "sid of nothing": lambda c: {"sid": "' OR 1=1"},
    "jti number": lambda c: {"jti": 7},
    "exp text": lambda c: {"exp": str(c["exp"])},
    "exp true": lambda c: {"exp": True},
    "exp null": lambda c: {"exp": None},
    "exp huge": lambda c: {"exp": 10**400},
    "exp past the calendar": lambda c: {"exp": 253_402_300_800},
    "exp fraction": lambda c: {"exp": c["exp"] + 0.5},
    "nbf text": lambda c: {"nbf": "0"},
    "iat negative": lambda c: {"iat": -1},
    "a claim more": lambda c: {"admin": True},
    "deep": lambda c: {"sub": json.loads("[" * 400 + "]" * 400)},
}


@pytest.mark.parametrize("name", WRONG)
def test_mistyped_claim_is_refused_despite_the_signature(
    good: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(forged(header(), claims(good, **WRONG[name](claims(good)))), monkeypatch)


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"])
def test_missing_or_doubled_claim_is_refused(
    good: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = claims(good)
    value = left.pop(name)
    refused(forged(header(), left), monkeypatch)
    doubled = json.dumps(claims(good))[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}"
    refused(forged(header(), doubled.encode()), monkeypatch)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"{",
        b"[" * 2000,
        b'{"a":' * 500,
        b"NaN",
        '{"iss":"x"}'.encode("utf-16"),
    ],
)
def test_payload_must_be_an_object_of_claims(
    good: str, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(forged(header(), payload), monkeypatch)


def test_token_expires_at_its_exact_second(
    bob: User, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now().replace(microsecond=0)
    token = signed_in(bob, at=now).access
    assert accepted(token, at=now + HOUR - SECOND).user == bob
    with pytest.raises(ExpiredToken):
        accepted(token, at=now + HOUR)
    refused(forged(header(), claims(good, exp=int(now.timestamp()) - 1)), monkeypatch, ExpiredToken)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_future_token_is_refused_beyond_the_skew(good: str, bob: User, name: str) -> None:
    now = timezone.now().replace(microsecond=0)
    edge = int((now + SKEW).timestamp())
    assert accepted(forged(header(), claims(good, **{name: edge})), at=now).user == bob
    with pytest.raises(InvalidToken):
        accepted(forged(header(), claims(good, **{name: edge + 1})), at=now)


def test_token_uses_are_not_interchangeable(
    bob: User, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = signed_in(bob)
    refused(pair.refresh, monkeypatch)
    with nothing_is_touched(monkeypatch), pytest.raises(InvalidToken):
        refreshed(pair.access)
    assert refreshed(pair.refresh)


def test_signed_ids_must_match_a_stored_sign_in(good: str, carol: User) -> None:
    for change in (
        {"sid": encode("fam", uuid7())},
        {"sub": carol.public_id},
        {"sub": another_user()},
    ):
        with pytest.raises(InvalidToken):
            accepted(forged(header(), claims(good, **change)))


def test_huge_token_is_refused_unparsed(good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for token in (
        forged(header(kid="k" * 1024 * 1024), claims(good)),
        forged(header(), claims(good, sub="s" * 1024 * 1024)),
        f"{good}{'A' * MOST_CHARACTERS}",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(
                "tenants.sign_in.tokens.token.is_shaped", lambda text: pytest.fail("looked at")
            )
            refused(token, monkeypatch)
        response = api(HTTP_AUTHORIZATION=f"Bearer {token}").get(ME)
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


def test_http_refusal_names_the_code_and_echoes_nothing(good: str) -> None:
    late = forged(header(), claims(good, exp=1))
    for token, code in (
        (late, "expired_token"),
        (forged(header(), claims(good), FOREIGN), "invalid_token"),
    ):
        response = api(HTTP_AUTHORIZATION=f"Bearer {token}").get(ME)
        assert (response.status_code, response.json()["code"]) == (401, code)
        assert response["WWW-Authenticate"] == 'Bearer realm="Keyway", error="invalid_token"'
        assert response["Content-Type"] == "application/problem+json"
        assert token not in response.content.decode()
        assert quote(token) not in str(response.headers)
