"""Profile → Sessions: the browsers and programs where a user is signed in."""

import uuid
from typing import Any

from allauth.usersessions.views import ListUserSessionsView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from config.lib.client_ip import client_ip
from config.lib.snapshot import one_snapshot
from tenants.access import actor
from tenants.sign_in.recent import person
from tenants.sign_in.tokens import services as tokens
from tenants.sign_in.tokens.models import TokenFamily

PER_PAGE = 25


class SessionsView(ListUserSessionsView):  # type: ignore[misc]  # allauth ships no types
    """allauth's list of browser sessions, with programs added."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        programs = (
            TokenFamily.objects.of_person(person(self.request), timezone.now())
            .with_refreshes()
            .order_by("-created_at", "pk")
        )
        with one_snapshot():  # without allauth's own list, which deletes the sessions that ended
            page = Paginator(programs, PER_PAGE).get_page(self.request.GET.get("page"))
            list(page)
        return {**super().get_context_data(**kwargs), "programs": page}


sessions = SessionsView.as_view()


@require_POST
@login_required
def program_sign_out(request: HttpRequest, family_id: uuid.UUID) -> HttpResponse:
    """Sign out one program. Another user's sign-in gets the same 404 as one that has ended."""
    user, at = person(request), timezone.now()
    family = get_object_or_404(TokenFamily.objects.of_person(user, at), pk=family_id)
    tokens.end_one(family=family, by=actor(user, client_ip(request.META)), at=at)
    messages.success(request, f"Signed out {family.client}. Its tokens no longer work.")
    return redirect("usersessions_list")
