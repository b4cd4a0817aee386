"""What applications call: token, revoke, introspect, and the document that tells of them. Errors are RFC 6749's JSON."""

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from apikeys.oauth import conf, requests, scopes, verification
from apikeys.oauth.models import AccessToken, Application
from apikeys.oauth.server import GRANT_TYPES, server
from apikeys.verify.judge import Credential
from config.lib.errors import TrailUnavailable
from config.lib.ids import encode
from config.lib.problems import RETRY_AFTER_SECONDS

logger = logging.getLogger(__name__)

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Of these, somebody who guesses sends many.
_GUESSES = frozenset({"invalid_client", "invalid_grant"})
_AUTHENTICATION = ["client_secret_basic", "client_secret_post"]

Endpoint = Callable[[HttpRequest, dict[str, str]], HttpResponse]


def endpoint(view: Endpoint) -> Callable[[HttpRequest], HttpResponse]:
    """Hand a view the parameters of a POST; make of whatever it raises the answer that RFC 6749, 5.2 wants."""

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return _error("invalid_request", "This address takes POST.", status=405, Allow="POST")
        try:
            return view(request, requests.read_form(request))
        except errors.OAuth2Error as error:
            return _refuse(request, error.error, error.description, error.status_code)
        except (OperationalError, InterfaceError, TrailUnavailable) as error:
            logger.error("Answered 503: %s", error)
            later = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return _error("temporarily_unavailable", "Try again shortly.", status=503, **later)

    return wrapped


@endpoint
def token(request: HttpRequest, sent: dict[str, str]) -> HttpResponse:
    if (
        sent.get("grant_type") not in GRANT_TYPES
    ):  # before oauthlib, which takes an "openid" for a code
        raise errors.UnsupportedGrantTypeError()
    _, body, status = server().create_token_response(request.path, "POST", urlencode(sent), {})
    return _relay(request, body, status)


@endpoint
def revoke(request: HttpRequest, sent: dict[str, str]) -> HttpResponse:
    """RFC 7009. What is unknown, or another application's, is as good as revoked."""
    _, body, status = server().create_revocation_response(request.path, "POST", urlencode(sent), {})
    return _relay(request, body, status)


@endpoint
def introspect(request: HttpRequest, sent: dict[str, str]) -> HttpResponse:
    """RFC 7662, for confidential applications, of their organization's access tokens. Everything else is not active."""
    asking = Request(request.path, "POST", urlencode(sent), {})
    if not server().request_validator.authenticate_client(asking):
        raise errors.InvalidClientError()
    if "token" not in sent:
        raise errors.InvalidRequestError("Missing token parameter.")
    return JsonResponse(_describe(sent["token"], asking.client), headers=_NO_STORE)


def _describe(stored: str, asking: Application) -> dict[str, Any]:
    credential = verification.verify_stored(stored, now=timezone.now())
    if (
        not isinstance(credential, Credential)
        or credential.organization.id != asking.organization_id
    ):
        return {"active": False}
    row = AccessToken.objects.filter(token_checksum=stored).values("created", "expires").first()
    if row is None:
        return {"active": False}
    owner = {"username": credential.owner_email} if credential.owner_id else {}
    return {
        "active": True,
        "iss": conf.issuer(),
        "client_id": credential.public_id,
        "sub": encode("usr", credential.owner_id) if credential.owner_id else credential.public_id,
        "scope": " ".join(sorted(credential.scopes)),
        "token_type": "Bearer",
        "iat": int(row["created"].timestamp()),
        "exp": int(row["expires"].timestamp()),
        "organization_id": credential.organization.public_id,
        "environment": credential.environment,
        **owner,
    }


@csrf_exempt  # an unsafe method is to be told that it is not taken, not that its form is too old
@require_safe
def metadata(request: HttpRequest) -> HttpResponse:
    """RFC 8414."""
    at = {
        name: conf.issuer() + reverse(f"oauth_{name}")
        for name in ("authorize", "token", "revoke", "introspect")
    }
    return JsonResponse(
        {
            "issuer": conf.issuer(),
            "authorization_endpoint": at["authorize"],
            "token_endpoint": at["token"],
            "revocation_endpoint": at["revoke"],
            "introspection_endpoint": at["introspect"],
            "scopes_supported": sorted(scopes.grantable()),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANT_TYPES),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [*_AUTHENTICATION, "none"],
            "revocation_endpoint_auth_methods_supported": [*_AUTHENTICATION, "none"],
            "introspection_endpoint_auth_methods_supported": _AUTHENTICATION,
            "authorization_response_iss_parameter_supported": True,
        }
    )


def _relay(request: HttpRequest, body: str, status: int) -> HttpResponse:
    """What oauthlib answers. Its headers are for other servers: a challenge of Bearer where the client failed."""
    if status < 400:
        return HttpResponse(body, status=status, content_type="application/json", headers=_NO_STORE)
    told = json.loads(body)
    return _refuse(request, told["error"], told.get("error_description", ""), status)


def _refuse(request: HttpRequest, error: str, description: str, status: int) -> HttpResponse:
    if error in _GUESSES and (denial := requests.count_failure(request)):
        return _error(
            "rate_limited", denial.detail, status=429, **{"Retry-After": str(denial.retry_after)}
        )
    if error == "invalid_client":
        return _error(
            error, description, status=401, **{"WWW-Authenticate": 'Basic realm="Keyway"'}
        )
    return _error(error, description, status=status)


def _error(code: str, description: str, *, status: int, **headers: str) -> JsonResponse:
    told = {"error": code} | ({"error_description": description} if description else {})
    return JsonResponse(told, status=status, headers=_NO_STORE | headers)
