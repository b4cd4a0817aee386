"""Sign-up: ask for an address, email a link, and create the account that the link confirms."""

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from tenants import conf
from tenants.errors import SignUpRefused
from tenants.forms import SignUpAddressForm, SignUpForm
from tenants.sign_up import confirmed_address, sign_up


@require_http_methods(["GET", "POST"])
def sign_up_start(request: HttpRequest) -> HttpResponse:
    """Email a link to any address. The answer is the same for one that has an account."""
    if request.user.is_authenticated and request.method == "GET":
        return redirect("overview")
    if not conf.sign_up_is_open():
        return render(request, "account/signup_closed.html")
    form = SignUpAddressForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "account/signup.html", {"form": form}, status=status)
    if not ratelimit.consume(request, action="signup"):
        return ratelimit.respond_429(request)  # type: ignore[no-any-return]
    email = form.cleaned_data["email"]
    # Silently: an answer of its own would reveal that the address was tried just before.
    if ratelimit.consume(request, action="confirm_email", key=email):
        get_adapter(request).send_sign_up(email)
    return redirect("account_email_verification_sent")


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password1", "password2")
@sensitive_variables()
def sign_up_confirm(request: HttpRequest, key: str) -> HttpResponse:
    try:
        if not conf.sign_up_is_open():
            raise SignUpRefused()
        email = confirmed_address(key)
        form = SignUpForm(request.POST if request.method == "POST" else None, email=email)
        if request.method == "POST" and form.is_valid():
            sign_up(email=email, address=client_ip(request.META), **form.account())
            messages.success(request, "Created your account. Sign in with your new password.")
            return redirect("account_login")
    except KeywayError as error:
        return render(request, "account/signup_refused.html", {"reason": error.detail})
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "email": email, "key": key}
    response = render(request, "account/signup_confirm.html", context, status=status)
    add_never_cache_headers(response)
    return response
