"""Profile → Connected applications: a user withdraws an application's access."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys.oauth import connections, tokens
from apikeys.oauth.connections import Connection
from config.lib.client_ip import client_ip
from tenants.access import actor
from tenants.sign_in.recent import person, recent_sign_in


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def withdraw(request: HttpRequest, application_id: uuid.UUID) -> HttpResponse:
    connection = _find(request, application_id)
    if request.method != "POST":
        return render(request, "oauth/withdraw.html", {"connection": connection})
    by = actor(person(request), client_ip(request.META))
    tokens.withdraw(application=connection.application, membership=connection.membership, by=by)
    messages.success(
        request,
        f"Disconnected {connection.application}. It can no longer act for you.",
    )
    return HttpResponseRedirect(f"{reverse('profile')}#applications")


def _find(request: HttpRequest, application_id: uuid.UUID) -> Connection:
    """Answers 404 for other users' connections, as for ids that do not exist."""
    for connection in connections.of_person(person(request), at=timezone.now()):
        if connection.application.id == application_id:
            return connection
    raise Http404
