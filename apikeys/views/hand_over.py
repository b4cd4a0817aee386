"""Hand a key over, and accept or decline a key that was offered."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apikeys.errors import AlreadyIssued
from apikeys.hand_over import HandOver
from apikeys.models import Key
from apikeys.services import hand_over as services
from apikeys.services.callers import Caller, Holding
from apikeys.verify import throttling
from apikeys.views.came_from import return_page
from apikeys.views.door import key_page
from apikeys.views.forms import NonceForm
from apikeys.views.listing import KeyRow
from apikeys.views.one_time import already_created, reveal
from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from tenants.models import Membership
from tenants.roles import PERMISSIONS, Permission, Role
from tenants.sign_in.recent import kept_fields, person, recent_sign_in

ORGANIZATION = "organization"
OVERLAPS = (("0", "Ends at once"), ("3600", "1 hour"), ("86400", "24 hours"), ("604800", "7 days"))
DEFAULT_OVERLAP = "86400"


class HandOverForm(forms.Form):
    """The receiver of a key, and how long the old key works beside the new one."""

    receiver = forms.ChoiceField(
        label="New owner", error_messages={"required": "Choose the new owner."}
    )
    overlap = forms.ChoiceField(
        label="The old key works for",
        choices=OVERLAPS,
        initial=DEFAULT_OVERLAP,
        widget=forms.RadioSelect,
        help_text="It ends earlier, as soon as the new key is used for the first time.",
    )

    def __init__(
        self, data: Mapping[str, Any] | None, *, key: Key, members: list[Membership]
    ) -> None:
        super().__init__(data)
        self.members = {member.public_id: member for member in members}
        receiver = self.fields["receiver"]
        assert isinstance(receiver, forms.ChoiceField)  # noqa: S101  as declared above, for mypy
        people = [(name, member.user.email) for name, member in self.members.items()]
        ours = (
            []
            if key.is_organization_key
            else [(ORGANIZATION, f"{key.organization} (organization key)")]
        )
        receiver.choices = [*ours, *people]

    def member(self) -> Membership | None:
        """The receiver, or None for the organization."""
        return self.members.get(self.cleaned_data["receiver"])

    def longest(self) -> timedelta:
        return timedelta(seconds=int(self.cleaned_data["overlap"]))


@require_http_methods(["GET", "POST"])
@key_page(to_change=True)
@recent_sign_in
def key_hand_over(request: HttpRequest, caller: Caller, key: Key) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = HandOverForm(data, key=key, members=_possible_receivers(caller, key))
    if request.method == "POST" and form.is_valid():
        try:
            offer = services.offer(
                key=key,
                receiver=form.member(),
                overlap=form.longest(),
                by=caller.actor,
                offered_by=person(request),
            )
        except KeywayError as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, f"Offered {key.name} to {offer.receiver_name}.")
            return redirect("key", key.pk)
    context = {"key": key, "form": form, "back": return_page(request, key)}
    return render(
        request,
        "apikeys/hand_over.html",
        context,
        status=422 if request.method == "POST" else 200,
    )


def _possible_receivers(caller: Caller, key: Key) -> list[Membership]:
    """Return the members that can be offered the key.

    Empty for a caller who cannot read the members. They can offer it to the organization.
    """
    if not caller.may_in(key.organization_id, Permission.READ_MEMBERS):
        return []
    may_own = [role for role in Role if Permission.ISSUE_OWN_KEYS in PERMISSIONS[role]]
    members = Membership.objects.active().filter(organization=key.organization, role__in=may_own)
    others = members.exclude(pk=key.owner_id) if key.owner_id else members
    return list(others.select_related("user").order_by("user__email"))


@require_POST
@key_page(to_change=True)
def key_withdraw(request: HttpRequest, caller: Caller, key: Key) -> HttpResponse:
    offer = HandOver.objects.filter(key=key).waiting(timezone.now()).first()
    if offer is None:
        messages.error(request, "This offer is no longer open.")
    else:
        _end(request, offer, caller, done=f"Withdrew the offer of {key.name}.")
    return redirect("key", key.pk)


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def hand_over_accept(request: HttpRequest, hand_over_id: uuid.UUID) -> HttpResponse:
    caller, offer = _offered_to(request, hand_over_id)
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = NonceForm(data, user=person(request))
    if request.method != "POST" or not form.is_valid():
        return _accept_page(request, offer, form)
    try:
        throttling.issue(by=caller.throttled_as)
        issued = services.accept(
            hand_over=offer,
            within=caller.authority_in(offer.organization_id),
            by=caller.actor,
            accepted_by=person(request),
            idempotency_key=form.idempotency_key,
        )
    except AlreadyIssued:
        return _already_created(request, offer, form)
    except KeywayError as error:
        # The offer is over: was it this very form that ended it?
        nonce = form.idempotency_key
        if HandOver.objects.filter(pk=offer.pk, replacement__idempotency_key=nonce).exists():
            return _already_created(request, offer, form)
        form.add_error(None, error.detail)
        return _accept_page(request, offer, form)
    return reveal(request, "apikeys/hand_over_reveal.html", issued, back=_back(offer))


def _already_created(request: HttpRequest, offer: HandOver, form: NonceForm) -> HttpResponse:
    links = {"back": _back(offer), "again": _back(offer)}
    return already_created(request, idempotency_key=form.idempotency_key, **links)


def _accept_page(request: HttpRequest, offer: HandOver, form: NonceForm) -> HttpResponse:
    row = KeyRow(offer.key, timezone.now())
    context = {"offer": offer, "key": offer.key, "row": row, "form": form}
    return render(
        request,
        "apikeys/hand_over_accept.html",
        context,
        status=422 if request.method == "POST" else 200,
    )


@require_POST
@login_required
def hand_over_decline(request: HttpRequest, hand_over_id: uuid.UUID) -> HttpResponse:
    caller, offer = _offered_to(request, hand_over_id)
    _end(request, offer, caller, done=f"Declined {offer.key.name}.")
    return HttpResponseRedirect(_back(offer))


def _offered_to(request: HttpRequest, hand_over_id: uuid.UUID) -> tuple[Caller, HandOver]:
    """Return the offer if the user may accept it. Raises Http404."""
    caller = Caller.person(person(request), client_ip(request.META))
    offers = HandOver.objects.select_related("organization", "receiver__user", "offered_by")
    offer = (
        offers.select_related("key__owner__user", "key__organization")
        .filter(pk=hand_over_id)
        .first()
    )
    if offer is None or not may_accept(caller, offer):
        raise Http404("There is no such offer.")
    return caller, offer


def may_accept(caller: Caller, offer: HandOver) -> bool:
    """Whether the offer is the caller's to accept, as its receiver or for the organization."""
    place = caller.reach.get(offer.organization_id)
    if place is None:
        return False
    if offer.receiver_id is None:
        return place.may(Holding.ORGANIZATION.to_issue)
    is_receiver = place.membership and place.membership.pk == offer.receiver_id
    return bool(is_receiver and place.may(Holding.OWN.to_issue))


def _end(request: HttpRequest, offer: HandOver, caller: Caller, *, done: str) -> None:
    try:
        services.end_offer(hand_over=offer, by=caller.actor)
    except KeywayError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, done)


def _back(offer: HandOver) -> str:
    return reverse("key", args=[offer.key_id]) if offer.receiver_id is None else reverse("profile")
