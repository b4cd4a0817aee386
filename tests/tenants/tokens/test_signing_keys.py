"""Signing keys: their format, checks at startup, rotation, and the published JWK Set."""

import base64
import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from config.lib import secrets_file, signing_keys
from config.lib.signing_keys import generate, parse_signing_keys
from tenants import checks, conf
from tenants.management.commands.new_signing_key import Command
from tenants.models import User
from tenants.sign_in.tokens.errors import InvalidToken
from tests.tenants.tokens.forge import accepted, opened, refreshed, signed_in

JWKS = "/.well-known/jwks.json"
OLD, NEW = generate(), generate()


def spell(key: Any, encryption: Any = None) -> str:
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, encryption or NoEncryption())
    return base64.b64encode(der).decode()


SHORT = spell(rsa.generate_private_key(65537, 1024))
BAD = {
    "no base64": "*" * 40,
    "no key": base64.b64encode(b"no key at all").decode(),
    "half a key": OLD[:200],
    "of a curve": spell(ec.generate_private_key(ec.SECP256R1())),
    "of Edwards' curve": spell(ed25519.Ed25519PrivateKey.generate()),
    "with a password": spell(rsa.generate_private_key(65537, 2048), BestAvailableEncryption(b"x")),
    "short": SHORT,
    "second bad": f"{OLD},{SHORT}",
    "twice the same": f"{OLD},{OLD}",
}


def test_kid_is_the_thumbprint() -> None:
    """Check the example of RFC 7638, 3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tS"
        "oc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65"
        "YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyr"
        "dkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    public = jwt.PyJWK({"kty": "RSA", "n": n, "e": "AQAB"}, "RS256").key
    assert signing_keys._thumbprint(public) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_generated_key_fits_an_env_file() -> None:
    assert set(OLD) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    (key,) = parse_signing_keys(OLD)
    assert key.private.key_size == 2048
    assert parse_signing_keys(OLD) is parse_signing_keys(OLD), "parsed once"
    assert parse_signing_keys(f" {spell(key.private)} , ")[0].kid == key.kid


@pytest.mark.parametrize("name", BAD)
def test_invalid_key_fails_startup_and_is_not_quoted(name: str, settings: Settings) -> None:
    settings.KEYWAY_SIGNING_KEYS = BAD[name]
    (error,) = checks.check_signing_keys(None)
    assert (error.id, bool(error.hint)) == ("keyway.E007", True)
    assert not [part for part in BAD[name].split(",") if part[:12] in error.msg]


def test_missing_key_fails_startup(settings: Settings) -> None:
    assert checks.check_signing_keys(None) == []
    for text in ("", " , "):
        settings.KEYWAY_SIGNING_KEYS = text
        (error,) = checks.check_signing_keys(None)
        assert (error.id, bool(error.hint)) == ("keyway.E006", True)


@pytest.mark.parametrize(
    ("refresh", "family", "good"),
    [
        (14, 30, True),
        (1, 1, True),
        (0, 30, False),
        (31, 30, False),
        (-1, 30, False),
        (1, 99999999, False),
    ],
)
def test_inconsistent_lifetimes_fail_startup(
    refresh: int, family: int, good: bool, settings: Settings
) -> None:
    settings.KEYWAY_REFRESH_TOKEN_DAYS, settings.KEYWAY_SIGN_IN_DAYS = refresh, family
    assert [error.id for error in checks.check_lifetimes(None)] == ([] if good else ["keyway.E008"])


def test_private_key_is_in_no_repr() -> None:
    (key,) = parse_signing_keys(OLD)
    assert repr(key) == f"SigningKey(kid={key.kid!r})"


def test_command_works_without_a_key() -> None:
    out = StringIO()
    call_command("new_signing_key", stdout=out)
    assert len(parse_signing_keys(out.getvalue().strip())) == 1
    assert Command.requires_system_checks == []


@pytest.mark.django_db
def test_key_rotation_keeps_sessions_until_removal(bob: User, settings: Settings) -> None:
    settings.KEYWAY_SIGNING_KEYS = OLD
    before = signed_in(bob)
    settings.KEYWAY_SIGNING_KEYS = f"{NEW},{OLD}"
    assert accepted(before.access).user == bob
    after = refreshed(before.refresh)
    kids = [key.kid for key in conf.signing_keys()]
    assert (opened(before.access, 0)["kid"], opened(after.access, 0)["kid"]) == (kids[1], kids[0])
    assert [key["kid"] for key in Client().get(JWKS).json()["keys"]] == kids
    settings.KEYWAY_SIGNING_KEYS = NEW
    assert accepted(after.access).user == bob
    with pytest.raises(InvalidToken):
        accepted(before.access)


@pytest.mark.django_db
def test_jwks_verifies_tokens_and_is_public_only(bob: User) -> None:
    response = Client().get(JWKS)
    assert response.status_code == 200
    assert response["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in response
    for key in response.json()["keys"]:
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    token = signed_in(bob).access
    key = jwt.PyJWKSet.from_dict(response.json())[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token, key, ["RS256"], audience="http://testserver/api/v1/", issuer="http://testserver"
    )
    assert claims["sub"] == bob.public_id
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"}
    assert claims["exp"] - claims["iat"] == 3600


def test_jwks_accepts_both_media_types() -> None:
    for accept, content_type in (
        ("application/json", "application/json"),
        ("application/jwk-set+json", "application/jwk-set+json"),
    ):
        response = Client().get(JWKS, headers={"accept": accept})
        assert response["Content-Type"].startswith(content_type)
        assert json.loads(response.content)["keys"]


def test_secrets_file_gains_a_signing_key(tmp_path: Path) -> None:
    new, old = tmp_path / "new.env", tmp_path / "old.env"
    assert secrets_file.write(new) == ["SECRET_KEY", "KEYWAY_PEPPERS", "KEYWAY_SIGNING_KEYS"]
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    old.write_text("SECRET_KEY=kept\nKEYWAY_PEPPERS=1:kept")
    old.chmod(0o600)
    assert secrets_file.write(old) == ["KEYWAY_SIGNING_KEYS"]
    lines = old.read_text().splitlines()
    assert lines[:2] == ["SECRET_KEY=kept", "KEYWAY_PEPPERS=1:kept"]
    assert load_der_private_key(base64.urlsafe_b64decode(lines[2].partition("=")[2] + "=="), None)
    for path in (new, old):
        text = path.read_text()
        assert secrets_file.write(path) == []
        assert path.read_text() == text
