"""How allauth signs people in and out for Keyway."""

from collections.abc import Sequence

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from config.lib.client_ip import client_ip
from tenants.access import actor
from tenants.sign_in.recent import person
from tenants.sign_in.tokens import services as tokens
from tenants.sign_in.tokens.models import EndReason


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Closes sign-up, and takes the client address from the one setting that all of Keyway uses."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

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
