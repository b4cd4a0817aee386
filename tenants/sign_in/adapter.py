"""How allauth signs people in and out for Keyway, and the emails that it sends."""

from collections.abc import Sequence
from typing import Any, cast

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import user_pk_to_url_str
from allauth.core import context as allauth_context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from config.lib.client_ip import client_ip
from config.lib.text import printable
from tenants import conf
from tenants.access import actor
from tenants.models import Membership, User
from tenants.sign_in import sessions
from tenants.sign_in.arrivals import SignIn, announce
from tenants.sign_in.recent import person
from tenants.sign_in.tokens import services as tokens
from tenants.sign_in.tokens.models import USER_AGENT_LENGTH, EndReason
from tenants.sign_up import has_account, ticket_for

# Of a name or a browser in an email. Longer ones could pass for text of the email's own.
NAME_IN_MAIL = 80
BROWSER_IN_MAIL = 200


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Sends Keyway's own emails, with links that start with KEYWAY_URL.

    allauth builds links from the Host header of the request. A request with a forged one would
    send a person a link, with its secret, to another server.
    """

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is deactivated. Ask an admin of your organization.",
        "email_password_mismatch": "Wrong email address or password.",
        "enter_current_password": "Wrong password. Enter your current password.",
        "incorrect_code": "Wrong code.",
        "incorrect_password": "Wrong password.",
        "invalid_password_reset": "This link no longer works. Request a new one.",
        "rate_limited": "Too many requests. Try again in a few minutes.",
        "too_many_login_attempts": "Too many failed attempts. Try again in a few minutes.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Close allauth's own sign-up, which creates accounts before their address is confirmed."""
        return False

    def post_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponse:
        """Announce a browser's new session. Asking for the password again does not call this."""
        agent = printable(request.META.get("HTTP_USER_AGENT", ""), USER_AGENT_LENGTH)
        with transaction.atomic():
            announce(SignIn(user, client_ip(request.META), agent, timezone.now()))
        return cast("HttpResponse", super().post_login(request, user, **options))

    def get_client_ip(self, request: HttpRequest) -> str:
        """Take the address from the one setting that all of Keyway uses."""
        return client_ip(request.META)

    def get_reset_password_from_key_url(self, key: str) -> str:
        uid, _, secret = key.partition("-")
        return conf.link(
            reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": secret})
        )

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        ends = {"ends_at": timezone.now() + conf.password_link_lifetime()}
        super().send_password_reset_mail(user, email, context | ends)

    def send_invitation(self, membership: Membership, *, by: str) -> None:
        """Email a new member what they were added to, and a link to choose a password or sign in.

        Both kinds of user get an email, so that its absence does not reveal who has an account.
        """
        user = membership.user
        context: dict[str, Any] = {
            "by": printable(by, NAME_IN_MAIL),
            "organization": printable(membership.organization.name, NAME_IN_MAIL),
            "role": membership.get_role_display().lower(),
            "sign_in_url": conf.link(reverse("account_login")),
        }
        if not user.has_usable_password():
            secret = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
            key = f"{user_pk_to_url_str(user)}-{secret}"
            context["password_url"] = self.get_reset_password_from_key_url(key)
            context["ends_at"] = timezone.now() + conf.password_link_lifetime()
        self.send_mail("account/email/invitation", user.email, context)

    def send_sign_up(self, email: str) -> None:
        """Email a link to create an account, or a hint to sign in if the address has one."""
        context: dict[str, Any] = {"sign_in_url": conf.link(reverse("account_login"))}
        if has_account(email):
            context["reset_url"] = conf.link(reverse("account_reset_password"))
            return self.send_mail("account/email/sign_up_known", email, context)
        context["sign_up_url"] = conf.link(reverse("sign_up_confirm", args=[ticket_for(email)]))
        context["ends_at"] = timezone.now() + conf.sign_up_link_lifetime()
        return self.send_mail("account/email/sign_up", email, context)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        context = context | {"host": conf.host()}
        if "user_agent" in context:
            context["user_agent"] = printable(str(context["user_agent"]), BROWSER_IN_MAIL)
        super().send_mail(template_prefix, email, context)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "Wrong code. Enter the current code from your app.",
    }


class UserSessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]  # allauth ships no types
    """Makes "Sign out all other sessions" sign out programs too, and records it in the trail."""

    @transaction.atomic
    def end_sessions(self, ended: Sequence[UserSession]) -> None:
        request = allauth_context.request
        user = person(request)
        by = actor(user, client_ip(request.META))
        sessions.end(user=user, sessions=ended, by=by)
        tokens.end_all(user=user, reason=EndReason.SIGNED_OUT_EVERYWHERE, by=by, at=timezone.now())
