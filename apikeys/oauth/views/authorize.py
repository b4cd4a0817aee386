"""`/oauth/authorize`: an application asks a person to let it act for them in its organization.

What is asked stands in the address and is read anew when the answer comes, so that nothing the page carries is trusted.
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
    "Your role does not allow connecting applications. An admin of your organization can change it."
)


@dataclass(frozen=True, slots=True)
class Question:
    """What an application asks, found to be in order."""

    application: Application
    access: Access
    scopes: list[str]
    redirect_uri: str
    uri: str

    @property
    def in_words(self) -> list[Scope]:
        known = registry.registry()
        return [known[name] for name in self.scopes]


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def authorize(request: HttpRequest) -> HttpResponse:
    try:
        question = _read(request)
        if request.method != "POST":
            return _ask(request, question)
        if request.POST.get("decision") != "allow":
            raise errors.AccessDeniedError(state=request.GET.get("state"))
        return _allow(question)
    except errors.FatalClientError:
        return render(request, "oauth/unknown.html", status=400)
    except errors.OAuth2Error as error:
        return _answer(error.redirect_uri or question.redirect_uri, **dict(error.twotuples))


def _read(request: HttpRequest) -> Question:
    """Raises OAuth2Error, of which FatalClientError must not redirect; PermissionDenied for a role too low."""
    asked = requests.read_question(request.GET)
    application, access = _find(request, asked.get("client_id", ""))
    uri = f"{request.path}?{urlencode(asked)}"
    names, credentials = server().validate_authorization_request(uri, "GET", "", {})
    if not access.may(Permission.ISSUE_OWN_KEYS):
        raise PermissionDenied(CANNOT_ALLOW)
    if not set(names) <= scopes.held_by(_membership(access)):
        raise errors.InvalidScopeError(request=credentials["request"])
    return Question(application, access, sorted(set(names)), credentials["redirect_uri"], uri)


def _find(request: HttpRequest, client_id: str) -> tuple[Application, Access]:
    """To who has no place in its organization, an application is as unknown as one that does not exist."""
    user = person(request)
    application = (
        Application.objects.usable()
        .select_related("organization")
        .filter(client_id=client_id)
        .first()
    )
    if application is not None:
        places = Membership.objects.active().filter(
            user=user, organization=application.organization
        )
        if membership := places.select_related("user").first():
            return application, Access(
                user, application.organization, membership, client_ip(request.META)
            )
    raise errors.InvalidClientIdError()


def _membership(access: Access) -> Membership:
    assert access.membership is not None  # noqa: S101  _find lets nobody else in
    return access.membership


def _ask(request: HttpRequest, question: Question) -> HttpResponse:
    response = render(
        request,
        "oauth/authorize.html",
        {"question": question, "to": redirects.origin(question.redirect_uri)},
    )
    # Chromium holds a form to this policy also where its answer redirects.
    csp.extend(response, form_action=[redirects.origin(question.redirect_uri)])
    return response


def _allow(question: Question) -> HttpResponse:
    access = question.access
    given: dict[str, Any] = {
        "user": access.user,
        "membership": _membership(access),
        "actor": access.actor,
    }
    headers, _, _ = server().create_authorization_response(
        question.uri, "GET", "", {}, question.scopes, given
    )
    return _answer(headers["Location"])


def _answer(uri: str, **parameters: str) -> HttpResponse:
    """Send the browser back, naming ourselves, so that an application with several servers knows whose answer it is."""
    response = HttpResponseRedirect(redirects.with_parameters(uri, **parameters, iss=conf.issuer()))
    response.status_code = 303  # what was sent to us is not sent on (RFC 9700, 4.12)
    return response
