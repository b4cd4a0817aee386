"""How allauth signs people in and out for Keyway."""

from collections.abc import Sequence
from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from config.lib.client_ip import client_ip
from config.lib.text import printable
from tenants.access import actor
from tenants.models import User
from tenants.sign_in.arrivals import SignIn, announce
from tenants.sign_in.recent import person
from tenants.sign_in.tokens import services as tokens
from tenants.sign_in.tokens.models import USER_AGENT_LENGTH, EndReason


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Closes sign-up, and takes the client address from the one setting that all of Keyway uses."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def post_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponse:
        """Announce a browser's new session. Asking for the password again does not call this."""
        agent = printable(request.META.get("HTTP_USER_AGENT", ""), USER_AGENT_LENGTH)
        with transaction.atomic():
            announce(SignIn(user, client_ip(request.META), agent, timezone.now()))
        return cast("HttpResponse", super().post_login(request, user, **options))

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request.META)


class UserSessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]  # allauth ships no types
    """Makes "Sign out all other sessions" sign out programs too."""

    @transaction.atomic
    def end_sessions(self, sessions: Sequence[UserSession]) -> None:
        super().end_sessions(sessions)
        user, address = person(context.request), client_ip(context.request.META)
        tokens.end_all(
            user=user,
            reason=EndReason.SIGNED_OUT_EVERYWHERE,
            by=actor(user, address),
            at=timezone.now(),
        )
