"""Settings → Notifications → Webhooks: add, edit and watch the webhooks of an organization."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apikeys.notices import deliveries, webhooks
from apikeys.notices.errors import WebhookSecretShown
from apikeys.notices.forms import EditWebhookForm, NewWebhookForm
from apikeys.notices.models import Delivery, Webhook, newest_first
from apikeys.verify import throttling
from apikeys.views.forms import NonceForm
from apikeys.views.one_time import disclose
from config.lib.errors import KeywayError
from tenants.access import Access
from tenants.decorators import member_page
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, recent_sign_in

PER_PAGE = 25


@require_safe
@member_page(Permission.MANAGE_NOTIFICATIONS)
def webhook(request: HttpRequest, access: Access, webhook_id: uuid.UUID) -> HttpResponse:
    found = _find(access, webhook_id)
    page = Paginator(newest_first(found), PER_PAGE).get_page(request.GET.get("page"))
    until = found.previous_until
    overlap = until if until and until > timezone.now() else None
    return _show(request, "webhook", access, webhook=found, page=page, overlap=overlap)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_NOTIFICATIONS)
@recent_sign_in
def webhook_new(request: HttpRequest, access: Access) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = NewWebhookForm(data, user=access.user)
    if request.method != "POST" or not form.is_valid():
        return _show(request, "webhook_new", access, form=form)
    try:
        throttling.issue(by=str(access.user.pk))
        added = webhooks.add(
            organization=access.organization,
            url=form.cleaned_data["url"],
            causes=form.cleaned_data["causes"],
            by=access.actor,
            created_by=access.user,
            idempotency_key=form.idempotency_key,
        )
    except WebhookSecretShown:
        return _show(request, "webhook_shown", access, status=409)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _show(request, "webhook_new", access, form=form)
    return _reveal(request, access, added.webhook, added.plaintext)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_NOTIFICATIONS)
@recent_sign_in
def webhook_edit(request: HttpRequest, access: Access, webhook_id: uuid.UUID) -> HttpResponse:
    found = _find(access, webhook_id)
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = EditWebhookForm(data, webhook=found)
    if request.method != "POST" or not form.is_valid():
        return _show(request, "webhook_edit", access, form=form, webhook=found)
    webhooks.edit(
        webhook=found,
        url=form.cleaned_data["url"],
        causes=form.cleaned_data["causes"],
        by=access.actor,
    )
    messages.success(request, "Saved the webhook.")
    return redirect(_page_of(access, found))


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_NOTIFICATIONS)
@recent_sign_in
def webhook_secret(request: HttpRequest, access: Access, webhook_id: uuid.UUID) -> HttpResponse:
    found = _find(access, webhook_id)
    form = NonceForm(request.POST if request.method == "POST" else None, user=access.user)
    if request.method != "POST" or not form.is_valid():
        return _show(request, "webhook_secret", access, form=form, webhook=found)
    try:
        throttling.issue(by=str(access.user.pk))
        nonce = form.cleaned_data["idempotency_key"]
        plaintext = webhooks.rotate_secret(webhook=found, by=access.actor, idempotency_key=nonce)
    except WebhookSecretShown:
        return _show(request, "webhook_shown", access, webhook=found, status=409)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _show(request, "webhook_secret", access, form=form, webhook=found)
    return _reveal(request, access, found, plaintext)


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """A change with a confirmation page, and the message shown afterwards."""

    template: str
    service: Callable[..., object]
    done: str


DISABLE = WebhookChange("webhook_disable", webhooks.disable, "Disabled the webhook.")
ENABLE = WebhookChange("webhook_enable", webhooks.enable, "Enabled the webhook.")
DELETE = WebhookChange("webhook_delete", webhooks.delete, "Deleted the webhook.")


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_NOTIFICATIONS)
@recent_sign_in
def webhook_disable(request: HttpRequest, access: Access, webhook_id: uuid.UUID) -> HttpResponse:
    return _confirm(request, access, DISABLE, webhook_id)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_NOTIFICATIONS)
@recent_sign_in
def webhook_enable(request: HttpRequest, access: Access, webhook_id: uuid.UUID) -> HttpResponse:
    return _confirm(request, access, ENABLE, webhook_id)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_NOTIFICATIONS)
@recent_sign_in
def webhook_delete(request: HttpRequest, access: Access, webhook_id: uuid.UUID) -> HttpResponse:
    return _confirm(request, access, DELETE, webhook_id)


@require_POST
@member_page(Permission.MANAGE_NOTIFICATIONS)
def webhook_test(request: HttpRequest, access: Access, webhook_id: uuid.UUID) -> HttpResponse:
    found = _find(access, webhook_id)
    return _send(request, access, found, lambda: deliveries.send_test(found))


@require_POST
@member_page(Permission.MANAGE_NOTIFICATIONS)
def webhook_redeliver(
    request: HttpRequest, access: Access, webhook_id: uuid.UUID, delivery_id: uuid.UUID
) -> HttpResponse:
    found = _find(access, webhook_id)
    log = Delivery.objects.filter(webhook=found).select_related("notice", "webhook")
    delivery = get_object_or_404(log, pk=delivery_id)
    return _send(request, access, found, lambda: deliveries.redeliver(delivery))


def _send(
    request: HttpRequest, access: Access, found: Webhook, queue: Callable[[], Delivery]
) -> HttpResponse:
    try:
        queue()
    except KeywayError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, "Queued. Reload this page in a few seconds to see the answer.")
    return redirect(_page_of(access, found))


def _confirm(
    request: HttpRequest, access: Access, change: WebhookChange, webhook_id: uuid.UUID
) -> HttpResponse:
    found = _find(access, webhook_id)
    if request.method != "POST":
        return _show(request, change.template, access, webhook=found)
    change.service(webhook=found, by=access.actor)
    messages.success(request, change.done)
    if change is DELETE:
        return redirect("settings_notifications", access.organization.slug)
    return redirect(_page_of(access, found))


def _find(access: Access, webhook_id: uuid.UUID) -> Webhook:
    ours = Webhook.objects.for_organization(access.organization).select_related("organization")
    return get_object_or_404(ours, pk=webhook_id)


def _page_of(access: Access, found: Webhook) -> str:
    return reverse("webhook", args=[access.organization.slug, found.pk])


def _reveal(
    request: HttpRequest, access: Access, found: Webhook, plaintext: object
) -> HttpResponse:
    context = {"organization": access.organization, "webhook": found, "plaintext": plaintext}
    return disclose(request, "notices/webhook_reveal.html", **context)


def _show(
    request: HttpRequest, template: str, access: Access, *, status: int = 0, **context: object
) -> HttpResponse:
    status = status or (422 if request.method == "POST" else 200)
    context["organization"] = access.organization
    return render(request, f"notices/{template}.html", context, status=status)
