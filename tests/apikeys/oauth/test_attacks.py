"""The attacks of RFC 9700 on codes, tokens and clients.

Each attempt stands beside the same request that works, so that it can fail for one reason only.
"""

import base64
import time
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.oauth.models import AccessToken, Grant, Purpose, RefreshToken
from audit.models import TrailEntry
from tenants.models import Organization, User
from tests.apikeys.oauth.conftest import Register
from tests.apikeys.oauth.flow import CALLBACK, CHALLENGE, Program, outcome

pytestmark = pytest.mark.django_db


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error", "")


def test_reused_code_ends_its_tokens(program: Program, bobs_browser: Client) -> None:
    code = program.authorize(bobs_browser)["code"]
    first, bystander = program.redeem(code).json(), program.tokens(bobs_browser)
    assert outcome(first["access_token"]) == (200, "")
    assert error(program.redeem(code)) == (400, "invalid_grant")
    assert outcome(first["access_token"]) == (401, "invalid_token")
    assert error(program.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert outcome(bystander["access_token"]) == (200, "")
    assert (
        TrailEntry.objects.get(action="application.tokens_ended").target_id
        == program.application.public_id
    )


def test_reused_code_ends_its_tokens_after_it_expired(
    program: Program, bobs_browser: Client
) -> None:
    code = program.authorize(bobs_browser)["code"]
    first = program.redeem(code).json()
    Grant.objects.update(expires=timezone.now())
    assert error(program.redeem(code)) == (400, "invalid_grant")
    assert outcome(first["access_token"]) == (401, "invalid_token")


@pytest.mark.parametrize("late", [False, True])
def test_expired_code_is_refused(program: Program, bobs_browser: Client, late: bool) -> None:
    code = program.authorize(bobs_browser)["code"]
    if late:
        Grant.objects.update(expires=timezone.now())
    assert program.redeem(code).status_code == (400 if late else 200)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"code_verifier": "w" * 43}, 400),
        ({"code_verifier": ""}, 400),
        ({"code_verifier": CHALLENGE}, 400),
        ({"redirect_uri": CALLBACK + "/"}, 400),
        ({"redirect_uri": "https://evil.example/callback"}, 400),
        ({"client_secret": "ocs_" + "x" * 49}, 401),
        ({"client_secret": ""}, 401),
    ],
)
def test_code_is_bound_to_client_uri_and_verifier(
    program: Program, bobs_browser: Client, fields: dict[str, str], status: int
) -> None:
    assert program.redeem(program.authorize(bobs_browser)["code"], **fields).status_code == status


def test_code_of_another_application_is_unknown(
    program: Program, register: Register, bobs_browser: Client
) -> None:
    other, code = register(name="Other"), program.authorize(bobs_browser)["code"]
    assert error(other.redeem(code)) == (400, "invalid_grant")
    assert program.redeem(code).status_code == 200


@pytest.mark.parametrize(
    "grant_type",
    ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "openid", ""],
)
def test_other_grant_types_are_refused(program: Program, bob: User, grant_type: str) -> None:
    fields = {
        "username": bob.email,
        "password": "correct horse battery staple",
        "code": "c",
        "device_code": "d",
    }
    assert error(program.post("/oauth/token", grant_type=grant_type, **fields))[0] == 400


def test_repeated_parameter_is_refused(program: Program, bobs_browser: Client) -> None:
    assert (
        bobs_browser.get(program.question() + "&redirect_uri=https://evil.example/").status_code
        == 400
    )
    body = "grant_type=client_credentials&scope=a&scope=b"
    answer = Client().post("/oauth/token", body, content_type="application/x-www-form-urlencoded")
    assert error(answer) == (400, "invalid_request")


def test_reused_refresh_token_ends_its_family(program: Program, bobs_browser: Client) -> None:
    first, bystander = program.tokens(bobs_browser), program.tokens(bobs_browser)
    second = program.refresh(first["refresh_token"]).json()
    third = program.refresh(second["refresh_token"]).json()
    assert outcome(third["access_token"]) == (200, "")
    assert error(program.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert outcome(third["access_token"]) == (401, "invalid_token")
    assert error(program.refresh(third["refresh_token"])) == (400, "invalid_grant")
    assert program.refresh(bystander["refresh_token"]).status_code == 200
    assert (
        '"why":"refresh token used again"'
        in TrailEntry.objects.get(action="application.tokens_ended").body
    )


def test_foreign_refresh_token_is_unknown_and_unharmed(
    program: Program, register: Register, bobs_browser: Client
) -> None:
    tokens = program.tokens(bobs_browser)
    assert error(register(name="Other").refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert program.refresh(tokens["refresh_token"]).status_code == 200


def test_expired_refresh_token_is_refused(program: Program, bobs_browser: Client) -> None:
    tokens = program.tokens(bobs_browser)
    RefreshToken.objects.update(expires_at=timezone.now())
    assert error(program.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_refresh_cannot_widen_scopes(register: Register, bobs_browser: Client) -> None:
    program = register(scopes=["read:audit-activity"])
    tokens = program.tokens(bobs_browser)
    assert error(program.refresh(tokens["refresh_token"], scope="read:audit-activity admin")) == (
        400,
        "invalid_scope",
    )


@pytest.mark.parametrize(
    "scope", ["write:agent-events", "read:nothing", "*", "read:audit-activity write:agent-events"]
)
def test_scope_beyond_the_application_is_refused(
    program: Program, register: Register, bobs_browser: Client, scope: str
) -> None:
    assert program.authorize(bobs_browser, scope=scope)["error"] == "invalid_scope"
    assert error(register(Purpose.SERVICE).own_token(scope=scope)) == (400, "invalid_scope")


def test_grant_types_are_bound_to_the_purpose(
    program: Program, register: Register, bobs_browser: Client
) -> None:
    assert error(program.own_token()) == (400, "unauthorized_client")
    assert bobs_browser.get(register(Purpose.SERVICE).question()).status_code == 400


def test_native_application_cannot_use_a_secret(register: Register, bobs_browser: Client) -> None:
    native, code = register(Purpose.NATIVE), ""
    code = native.authorize(bobs_browser)["code"]
    assert error(native.redeem(code, client_secret="anything")) == (401, "invalid_client")
    assert (
        error(native.post("/oauth/introspect", token=native.tokens(bobs_browser)["access_token"]))[
            0
        ]
        == 401
    )


def test_revoking_a_foreign_token_changes_nothing(
    program: Program, register: Register, bobs_browser: Client
) -> None:
    tokens = program.tokens(bobs_browser)
    assert (
        register(name="Other").post("/oauth/revoke", token=tokens["access_token"]).status_code
        == 200
    )
    assert outcome(tokens["access_token"]) == (200, "")
    assert (
        program.post(
            "/oauth/revoke", token=tokens["access_token"], client_secret="wrong"
        ).status_code
        == 401
    )
    assert outcome(tokens["access_token"]) == (200, "")


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_both(
    program: Program, bobs_browser: Client, which: str
) -> None:
    tokens = program.tokens(bobs_browser)
    assert program.post("/oauth/revoke", token=tokens[which]).status_code == 200
    assert program.post("/oauth/revoke", token=tokens[which]).status_code == 200
    assert outcome(tokens["access_token"]) == (401, "invalid_token")
    assert error(program.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert TrailEntry.objects.filter(action="application.tokens_ended").count() == 1


def test_introspection_is_limited_to_the_organization(
    program: Program, register: Register, bobs_browser: Client, globex: Organization, mallory: User
) -> None:
    token = program.tokens(bobs_browser)["access_token"]
    theirs = register(Purpose.SERVICE, organization=globex, by=mallory)
    body = register(Purpose.SERVICE).post("/oauth/introspect", token=token).json()
    assert (body["active"], body["username"], body["client_id"]) == (
        True,
        "bob@acme.example",
        program.application.client_id,
    )
    assert body["iat"] <= time.time() < body["exp"]
    for presented in (token, "oat_unknown", program.secret):
        assert theirs.post("/oauth/introspect", token=presented).json() == {"active": False}
    assert error(program.post("/oauth/introspect", token=token, client_secret="wrong")) == (
        401,
        "invalid_client",
    )


@pytest.mark.parametrize("which", ["refresh_token", "secret", "code"])
def test_only_an_access_token_calls_the_api(
    program: Program, bobs_browser: Client, which: str
) -> None:
    tokens = program.tokens(bobs_browser) | {
        "secret": program.secret,
        "code": program.authorize(bobs_browser)["code"],
    }
    assert outcome(tokens["access_token"]) == (200, "")
    assert outcome(tokens[which]) == (401, "invalid_token")


def test_token_in_the_query_is_ignored(program: Program, bobs_browser: Client) -> None:
    token = program.tokens(bobs_browser)["access_token"]
    assert Client().get(f"/api/v1/whoami?access_token={token}").status_code == 401


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


BAD = [
    ("grant_type=client_credentials", {"HTTP_AUTHORIZATION": "Basic ~~~"}),
    ("grant_type=client_credentials", {"HTTP_AUTHORIZATION": "Basic \xff\xfe"}),
    ("grant_type=client_credentials", {"HTTP_AUTHORIZATION": basic(b"\xff\xfe:x")}),
    ("grant_type=client_credentials", {"HTTP_AUTHORIZATION": basic(b"app_\x00:x")}),
    ("grant_type=client_credentials", {"HTTP_AUTHORIZATION": basic(b"no colon")}),
    ("grant_type=client_credentials", {"HTTP_AUTHORIZATION": basic(b"%00%ff:%00")}),
    ("grant_type=client_credentials", {"HTTP_AUTHORIZATION": "Bearer x"}),
    ("grant_type=client_credentials&client_id=%00&client_secret=%00", {}),
    ("grant_type=client_credentials&client_id=%ff&client_secret=x", {}),
    ("grant_type=client_credentials&client_id=%ed%a0%80", {}),
    ("grant_type=client_credentials&client_id=" + "a" * 5000, {}),
    ("grant_type=authorization_code&code=%00", {}),
    ("grant_type=refresh_token&refresh_token=" + "a" * 3000, {}),
    ("grant_type=%00", {}),
    ("a=1&" * 3000, {}),
    ("x" * 20000, {}),
    ("", {}),
]


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
@pytest.mark.parametrize(("body", "headers"), BAD)
def test_malformed_request_gets_an_rfc_6749_error(
    db: None, path: str, body: str, headers: dict[str, str]
) -> None:
    for media_type in (
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=x",
    ):
        answer = Client().post(path, body, content_type=media_type, **headers)  # type: ignore[arg-type]
        assert answer.status_code in {400, 401}
        assert answer.json()["error"] in {
            "invalid_request",
            "invalid_client",
            "unsupported_grant_type",
        }
        assert answer.headers["Cache-Control"] == "no-store"


def test_failures_are_limited_but_not_good_clients(
    program: Program, bobs_browser: Client, settings: Any
) -> None:
    from config.lib.rates import parse_rate  # noqa: PLC0415

    code = program.authorize(bobs_browser)["code"]
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"refused": parse_rate("x", "2/m")}
    wrong = [program.redeem("oac_wrong") for _ in range(3)]
    assert [answer.status_code for answer in wrong] == [400, 400, 429]
    assert int(wrong[2].headers["Retry-After"]) > 0
    assert program.redeem(code).status_code == 200


def test_two_client_authentications_are_refused(program: Program, register: Register) -> None:
    service = register(Purpose.SERVICE)
    good = {
        "HTTP_AUTHORIZATION": basic(f"{service.application.client_id}:{service.secret}".encode())
    }
    form = {"content_type": "application/x-www-form-urlencoded", **good}
    assert Client().post("/oauth/token", "grant_type=client_credentials", **form).status_code == 200  # type: ignore[arg-type]
    two = f"grant_type=client_credentials&client_secret={service.secret}"
    assert error(Client().post("/oauth/token", two, **form)) == (400, "invalid_request")  # type: ignore[arg-type]
    assert AccessToken.objects.count() == 1
