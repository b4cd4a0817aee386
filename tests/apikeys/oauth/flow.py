"""An application under test: it sends users to Keyway, redeems codes and calls the API."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test import Client

from apikeys.oauth import services
from apikeys.oauth.models import Application, Purpose
from apikeys.oauth.services import Draft
from tenants.access import actor
from tenants.models import Organization, User
from tests.conftest import api

CALLBACK = "https://app.example/callback"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)


@dataclass
class Program:
    application: Application
    secret: str = ""

    @property
    def credentials(self) -> dict[str, str]:
        return {"client_id": self.application.client_id} | (
            {"client_secret": self.secret} if self.secret else {}
        )

    def question(self, **changes: str | None) -> str:
        """The address of the authorization request. None omits a parameter."""
        parameters = {
            "response_type": "code",
            "client_id": self.application.client_id,
            "redirect_uri": CALLBACK,
            "scope": "read:audit-activity",
            "state": "s-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        query = {name: value for name, value in parameters.items() if value is not None}
        return f"/oauth/authorize?{urlencode(query)}"

    def authorize(
        self, browser: Client, decision: str = "allow", **changes: str | None
    ) -> dict[str, str]:
        """Decide in the browser and return the parameters that arrive at the callback."""
        answer = browser.post(self.question(**changes), {"decision": decision})
        assert answer.status_code == 303, (answer.status_code, answer.content)
        assert answer.headers["Location"].startswith(CALLBACK)
        return {
            name: values[0]
            for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()
        }

    def post(self, path: str, **fields: str) -> Any:
        body = urlencode(
            {name: value for name, value in (self.credentials | fields).items() if value}
        )
        return Client(raise_request_exception=False).post(
            path, body, content_type="application/x-www-form-urlencoded"
        )

    def redeem(self, code: str, **changes: str) -> Any:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return self.post("/oauth/token", **(fields | changes))

    def refresh(self, token: str, **changes: str) -> Any:
        return self.post(
            "/oauth/token", **({"grant_type": "refresh_token", "refresh_token": token} | changes)
        )

    def tokens(self, browser: Client) -> dict[str, Any]:
        answer = self.redeem(self.authorize(browser)["code"])
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def own_token(self, **changes: str) -> Any:
        return self.post("/oauth/token", **({"grant_type": "client_credentials"} | changes))


def service_of(organization: Organization, by: User, *scopes: str) -> Program:
    """Register a service, which acts for no user."""
    draft = Draft(name="Service", purpose=Purpose.SERVICE, scopes=list(scopes))
    made = services.register(organization=organization, draft=draft, by=actor(by), created_by=by)
    return Program(made.application, made.plaintext.reveal() if made.plaintext else "")


def call(token: str, path: str = "/api/v1/whoami") -> Any:
    return api(HTTP_AUTHORIZATION=f"Bearer {token}").get(path)


def outcome(token: str) -> tuple[int, str]:
    answer = call(token)
    return answer.status_code, answer.json().get("code", "")
