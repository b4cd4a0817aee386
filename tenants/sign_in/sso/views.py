"""Signing in with an organization's identity provider: begin, and take its answer."""

import hmac
import time
from dataclasses import asdict
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from allauth.core import ratelimit
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from tenants import conf
from tenants.forms import SignUpAddressForm
from tenants.models import Organization, User
from tenants.sign_in.recent import SINGLE_SIGN_ON
from tenants.sign_in.sso import protocol, services
from tenants.sign_in.sso.errors import IdentityRefused, StateUnknown
from tenants.sign_in.sso.models import IdentityProvider
from tenants.sign_in.sso.protocol import Claims, Pending

_PENDING = "sso_pending"
_SECONDS = 600
_MOST_PENDING = 5


def redirect_uri(organization: Organization) -> str:
    """Return the callback's address. One for each organization, against mixed-up answers."""
    return conf.link(reverse("sso_callback", args=[organization.slug]))


@require_http_methods(["GET", "POST"])
def sso_start(request: HttpRequest) -> HttpResponse:
    """Ask for the email address, and link to the provider of its domain.

    A link and not a redirect: the content security policy lets forms lead to Keyway only.
    """
    form = SignUpAddressForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form)
    if not ratelimit.consume(request, action="login"):
        return ratelimit.respond_429(request)  # type: ignore[no-any-return]
    email, pending = form.cleaned_data["email"], Pending.new()
    try:
        provider = services.provider_for(email)
        client = services.client_of(provider, redirect_uri(provider.organization))
        metadata = protocol.discover(client.issuer)
    except KeywayError as error:
        form.add_error("email", error.detail)
        return _form(request, form)
    _remember(request, provider, pending)
    context = {
        "provider": provider,
        "url": protocol.authorization_url(client, metadata, pending, email),
    }
    response = render(request, "sso/continue.html", context)
    add_never_cache_headers(response)
    return response


def _form(request: HttpRequest, form: SignUpAddressForm) -> HttpResponse:
    status = 422 if request.method == "POST" else 200
    return render(request, "sso/start.html", {"form": form}, status=status)


@require_safe
@sensitive_variables()
def sso_callback(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        provider, pending = _recall(request, slug)
        if "code" not in request.GET:
            raise IdentityRefused("Your provider did not sign you in.")
        client = services.client_of(provider, redirect_uri(provider.organization))
        claims = protocol.redeem(client, pending, request.GET.dict(), timezone.now())
        user = services.admit(provider=provider, claims=claims, address=client_ip(request.META))
    except KeywayError as error:
        return render(request, "sso/refused.html", {"reason": error.detail}, status=403)
    return _sign_in(request, user, claims)


def _sign_in(request: HttpRequest, user: User, claims: Claims) -> HttpResponse:
    # A second factor set up at Keyway is still asked for. No `next`: its only target is Keyway.
    if request.user.is_authenticated:
        request.session.flush()
    if claims.authenticated_at is not None:
        record_authentication(request, user, SINGLE_SIGN_ON, at=claims.authenticated_at)
    response: HttpResponse = perform_login(request, user, email_verification="none")
    return response


def _remember(request: HttpRequest, provider: IdentityProvider, pending: Pending) -> None:
    kept: list[dict[str, Any]] = request.session.get(_PENDING, [])
    begun = {"organization": str(provider.organization_id), "at": time.time()} | asdict(pending)
    request.session[_PENDING] = [*kept, begun][-_MOST_PENDING:]


def _recall(request: HttpRequest, slug: str) -> tuple[IdentityProvider, Pending]:
    """Return the sign-in that this browser began, and forget it. Raises StateUnknown."""
    state = request.GET.get("state", "")
    kept: list[dict[str, Any]] = request.session.get(_PENDING, [])
    mine = [one for one in kept if hmac.compare_digest(one["state"].encode(), state.encode())]
    if not mine:
        raise StateUnknown()
    # Saved before anything else, so that a second request with the same state finds none.
    request.session[_PENDING] = [one for one in kept if one not in mine]
    request.session.save()
    providers = IdentityProvider.objects.select_related("organization")
    provider = providers.filter(
        organization_id=mine[0]["organization"], organization__slug=slug
    ).first()
    if provider is None or time.time() - mine[0]["at"] > _SECONDS:
        raise StateUnknown()
    return provider, Pending(mine[0]["state"], mine[0]["nonce"], mine[0]["verifier"])
