"""Profile → Sessions: the browsers and programs where a user is signed in."""

import uuid

from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from config.lib.client_ip import client_ip
from config.lib.snapshot import one_snapshot
from tenants.access import actor
from tenants.sign_in import sessions as browsers
from tenants.sign_in.recent import person
from tenants.sign_in.tokens import services as tokens
from tenants.sign_in.tokens.models import TokenFamily

PER_PAGE = 25


@require_http_methods(["GET", "POST"])
@login_required
def sessions(request: HttpRequest) -> HttpResponse:
    """List browsers and programs. A POST signs out all of them but this browser."""
    user = person(request)
    if request.method == "POST":
        get_adapter().end_sessions(_others(request))
        messages.success(request, "Signed out all other sessions, and every program.")
        return redirect("usersessions_list")
    with one_snapshot():
        now = timezone.now()
        programs = TokenFamily.objects.of_person(user, now).with_refreshes()
        page = Paginator(programs.order_by("-created_at", "pk"), PER_PAGE).get_page(
            request.GET.get("page")
        )
        context = {"sessions": browsers.live(user, now), "programs": page}
        return render(request, "usersessions/usersession_list.html", context)


@require_POST
@login_required
def session_sign_out(request: HttpRequest, session_id: int) -> HttpResponse:
    """Sign out one other browser. Another user's gets the same 404 as one that has ended."""
    user = person(request)
    session = get_object_or_404(_others(request), pk=session_id)
    by = actor(user, client_ip(request.META))
    browsers.end(user=user, sessions=[session], by=by)
    messages.success(request, f"Signed out the browser at {session.ip}.")
    return redirect("usersessions_list")


def _others(request: HttpRequest) -> QuerySet[UserSession]:
    here = request.session.session_key
    others: QuerySet[UserSession] = UserSession.objects.exclude(session_key=here)
    return others.filter(user=person(request))


@require_POST
@login_required
def program_sign_out(request: HttpRequest, family_id: uuid.UUID) -> HttpResponse:
    """Sign out one program. Another user's sign-in gets the same 404 as one that has ended."""
    user, at = person(request), timezone.now()
    family = get_object_or_404(TokenFamily.objects.of_person(user, at), pk=family_id)
    tokens.end_one(family=family, by=actor(user, client_ip(request.META)), at=at)
    messages.success(request, f"Signed out {family.client}. Its tokens no longer work.")
    return redirect("usersessions_list")
