"""Check a password and second factor for the API, with allauth's own steps and rate limits.

The order is allauth's and matters: rate limit, password, active user, second factor. Checking the
second factor before the password would reveal who has one.
"""

from datetime import UTC, datetime

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from allauth.core.internal.ratelimit import get_rates
from allauth.mfa import app_settings as mfa_settings
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from config.lib.problems import ApiProblem
from tenants.models import User

_APP = "allauth.account"
_TOO_MANY = "too_many_login_attempts"


@sensitive_variables()
def prove(request: HttpRequest, *, email: str, password: str, code: str | None) -> User:
    """Return the user. Raises ApiProblem with invalid_login, mfa_required or rate_limited.

    An unknown address, a wrong password and a deactivated user get the same answer after the same
    work, so that neither the answer nor its timing reveals who has an account.
    """
    if not ratelimit.consume(request, action="login"):
        raise _limited("login")
    try:
        user: User | None = get_adapter(request).authenticate(
            request, email=email, password=password
        )
    except ValidationError as error:
        raise _limited("login_failed") from error
    if user is None or not user.is_active:
        raise ApiProblem("invalid_login")
    if is_mfa_enabled(user):
        _prove_second_factor(user, code)
    return user


@sensitive_variables()
def _prove_second_factor(user: User, code: str | None) -> None:
    if code is None:
        raise ApiProblem("mfa_required")
    form = AuthenticateForm({"code": code}, user=user)
    if not form.is_valid():
        if any(error.code == _TOO_MANY for error in form.errors.as_data()["code"]):
            raise _limited("login_failed")
        raise ApiProblem("invalid_login")
    if not _use_up(form.authenticator):
        raise ApiProblem("invalid_login")


def _use_up(authenticator: Authenticator) -> bool:
    """Mark the code as used and return whether this request was the first to use it.

    allauth remembers used TOTP codes in the cache, which without Redis is local to one process. The
    conditional update decides in the database, so a code works once across all processes.
    """
    now = timezone.now()
    mine = Authenticator.objects.filter(pk=authenticator.pk)
    if authenticator.type == Authenticator.Type.TOTP:
        period = mfa_settings.TOTP_PERIOD
        began = datetime.fromtimestamp(now.timestamp() // period * period, UTC)
        mine = mine.filter(Q(last_used_at=None) | Q(last_used_at__lt=began))
    return bool(mine.update(last_used_at=now))


def _limited(action: str) -> ApiProblem:
    """Build the rate_limited problem.

    allauth does not say when to retry, so `Retry-After` is the longest limit that may apply.
    """
    longest = max((rate.duration for rate in get_rates(app=_APP, action=action)), default=60)
    return ApiProblem("rate_limited", headers={"Retry-After": str(int(longest))})
