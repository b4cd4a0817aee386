"""The endpoints that applications call: token, revoke, introspect and metadata.

Errors are the JSON of RFC 6749, not the problem documents of the rest of the API.
"""

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
# The errors that guessing causes. They count towards the limit of the caller's network.
_GUESSES = frozenset({"invalid_client", "invalid_grant"})
_AUTHENTICATION = ["client_secret_basic", "client_secret_post"]

Endpoint = Callable[[HttpRequest, dict[str, str]], HttpResponse]


def endpoint(view: Endpoint) -> Callable[[HttpRequest], HttpResponse]:
    """Pass the parameters of a POST to the view, and map its errors to those of RFC 6749, 5.2."""

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return _error("invalid_request", "This endpoint takes POST.", status=405, Allow="POST")
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
def token(request: HttpRequest, parameters: dict[str, str]) -> HttpResponse:
    # oauthlib takes `openid` for another name of `authorization_code`.
    if parameters.get("grant_type") not in GRANT_TYPES:
        raise errors.UnsupportedGrantTypeError()
    body = urlencode(parameters)
    _, answer, status = server().create_token_response(request.path, "POST", body, {})
    return _relay(request, answer, status)


@endpoint
def revoke(request: HttpRequest, parameters: dict[str, str]) -> HttpResponse:
    """RFC 7009. Succeeds for tokens that are unknown or another application's, without effect."""
    body = urlencode(parameters)
    _, answer, status = server().create_revocation_response(request.path, "POST", body, {})
    return _relay(request, answer, status)


@endpoint
def introspect(request: HttpRequest, parameters: dict[str, str]) -> HttpResponse:
    """RFC 7662, for confidential applications and access tokens of their organization.

    Any other token is reported as not active.
    """
    call = Request(request.path, "POST", urlencode(parameters), {})
    # Authenticate before looking at the token, so that only applications can test tokens.
    if not server().request_validator.authenticate_client(call):
        raise errors.InvalidClientError()
    if "token" not in parameters:
        raise errors.InvalidRequestError("Missing token parameter.")
    return JsonResponse(_describe(parameters["token"], call.client), headers=_NO_STORE)


def _describe(stored: str, caller: Application) -> dict[str, Any]:
    credential = verification.verify_stored(stored, now=timezone.now())
    if (
        not isinstance(credential, Credential)
        or credential.organization.id != caller.organization_id
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


@csrf_exempt  # so that a POST gets 405 rather than a CSRF error
@require_safe
def metadata(request: HttpRequest) -> HttpResponse:
    """Authorization server metadata (RFC 8414)."""
    urls = {
        name: conf.issuer() + reverse(f"oauth_{name}")
        for name in ("authorize", "token", "revoke", "introspect")
    }
    return JsonResponse(
        {
            "issuer": conf.issuer(),
            "authorization_endpoint": urls["authorize"],
            "token_endpoint": urls["token"],
            "revocation_endpoint": urls["revoke"],
            "introspection_endpoint": urls["introspect"],
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
    """Pass on oauthlib's answer without its headers.

    They would challenge a client that failed to authenticate with Bearer, which it cannot use here.
    """
    if status < 400:
        return HttpResponse(body, status=status, content_type="application/json", headers=_NO_STORE)
    error = json.loads(body)
    return _refuse(request, error["error"], error.get("error_description", ""), status)


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
    body = {"error": code} | ({"error_description": description} if description else {})
    return JsonResponse(body, status=status, headers=_NO_STORE | headers)
