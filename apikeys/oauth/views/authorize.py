"""`/oauth/authorize`: an application asks a user to authorize it in its organization.

The request is in the query string. The POST reads and checks it again, so that the page holds no
hidden field that must be trusted.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from oauthlib.oauth2.rfc6749 import errors

from apikeys import scopes as registry
from apikeys.oauth import conf, redirects, requests, scopes
from apikeys.oauth.models import Application
from apikeys.oauth.server import server
from apikeys.scopes import Scope
from config.lib.client_ip import client_ip
from config.pages import csp
from tenants.access import Access
from tenants.models import Membership
from tenants.roles import Permission
from tenants.sign_in.recent import person

CANNOT_ALLOW = (
    "Your role does not allow connecting applications. "
    "Ask an admin of your organization to change it."
)


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A valid authorization request.

    `uri` is the address it came with, for oauthlib to read again.
    """

    application: Application
    access: Access
    scopes: list[str]
    redirect_uri: str
    uri: str

    @property
    def scope_details(self) -> list[Scope]:
        known = registry.registry()
        return [known[registry.canonical(name)] for name in self.scopes]


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def authorize(request: HttpRequest) -> HttpResponse:
    try:
        authorization = _read_request(request)
        if request.method != "POST":
            return _show(request, authorization)
        if request.POST.get("decision") != "allow":
            raise errors.AccessDeniedError(state=request.GET.get("state"))
        return _allow(authorization)
    # Never redirect here: the client or its redirect URI is unknown, and Keyway would send the
    # browser to an address that an attacker wrote (RFC 9700, 4.11).
    except errors.FatalClientError:
        return render(request, "oauth/unknown.html", status=400)
    except errors.OAuth2Error as error:
        return _redirect(error.redirect_uri or authorization.redirect_uri, **dict(error.twotuples))


def _read_request(request: HttpRequest) -> AuthorizationRequest:
    """Raises OAuth2Error, or PermissionDenied if the user's role cannot authorize applications."""
    parameters = requests.read_authorization(request.GET)
    # The application is looked up before oauthlib sees the request: oauthlib's errors redirect, and
    # would tell a user of another organization that the application exists.
    application, access = _find(request, parameters.get("client_id", ""))
    uri = f"{request.path}?{urlencode(parameters)}"
    names, credentials = server().validate_authorization_request(uri, "GET", "", {})
    if not access.may(Permission.ISSUE_OWN_KEYS):
        raise PermissionDenied(CANNOT_ALLOW)
    if not registry.canonical_all(names) <= scopes.held_by(_membership(access)):
        raise errors.InvalidScopeError(request=credentials["request"])
    redirect_uri = credentials["redirect_uri"]
    asked = registry.distinct(names)
    return AuthorizationRequest(application, access, asked, redirect_uri, uri)


def _find(request: HttpRequest, client_id: str) -> tuple[Application, Access]:
    """Raises InvalidClientIdError for unknown applications and those of other organizations."""
    user = person(request)
    application = (
        Application.objects.usable()
        .select_related("organization")
        .filter(client_id=client_id)
        .first()
    )
    if application is not None:
        memberships = Membership.objects.active().filter(
            user=user, organization=application.organization
        )
        if membership := memberships.select_related("user").first():
            return application, Access(
                user, application.organization, membership, client_ip(request.META)
            )
    raise errors.InvalidClientIdError()


def _membership(access: Access) -> Membership:
    assert access.membership is not None  # noqa: S101  _find returns members only
    return access.membership


def _show(request: HttpRequest, authorization: AuthorizationRequest) -> HttpResponse:
    origin = redirects.origin(authorization.redirect_uri)
    response = render(request, "oauth/authorize.html", {"question": authorization, "to": origin})
    # Chromium applies form-action to the redirect that answers the form, too.
    csp.extend(response, form_action=[origin])
    return response


def _allow(authorization: AuthorizationRequest) -> HttpResponse:
    access = authorization.access
    extra: dict[str, Any] = {
        "user": access.user,
        "membership": _membership(access),
        "actor": access.actor,
    }
    headers, _, _ = server().create_authorization_response(
        authorization.uri, "GET", "", {}, authorization.scopes, extra
    )
    return _redirect(headers["Location"])


def _redirect(uri: str, **parameters: str) -> HttpResponse:
    """Redirect to the application with the result.

    `iss` tells an application that uses several authorization servers which one answered (RFC
    9207).
    """
    response = HttpResponseRedirect(redirects.with_parameters(uri, **parameters, iss=conf.issuer()))
    response.status_code = 303  # 307 would make the browser repeat its POST (RFC 9700, 4.12)
    return response
