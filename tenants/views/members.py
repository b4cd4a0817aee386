"""Administration → Members: list, add, change and remove an organization's members."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from config.lib.errors import KeywayError
from tenants import services
from tenants.access import Access
from tenants.decorators import member_page
from tenants.forms import MemberForm, RoleForm
from tenants.invitations import invite
from tenants.models import Membership, MembershipQuerySet
from tenants.roles import Permission, Role, permission_to_touch
from tenants.sign_in.recent import kept_fields, recent_sign_in

PER_PAGE = 50
QUERY_LENGTH = 200
MOST_NAMED = 10
ONLY_OWNERS = "Only owners can add an owner or change an owner's membership."


@dataclass(frozen=True, slots=True)
class MemberChange:
    """A change with a confirmation page: its template, its service and its success message."""

    template: str
    service: Callable[..., object]
    done: str


DEACTIVATE = MemberChange(
    "tenants/member_deactivate.html",
    services.deactivate_member,
    "Deactivated {email}. They lost access, and their public keys here no longer work.",
)
REACTIVATE = MemberChange(
    "tenants/member_reactivate.html", services.reactivate_member, "Reactivated {email}."
)
REMOVE = MemberChange(
    "tenants/member_remove.html",
    services.remove_member,
    "Removed {email}. Their public keys here have stopped working permanently.",
)


@require_safe
@member_page(Permission.READ_MEMBERS)
def members(request: HttpRequest, access: Access) -> HttpResponse:
    now = timezone.now()
    usable = Q(keys__revoked_at=None, keys__paused_at=None) & (
        Q(keys__expires_at=None) | Q(keys__expires_at__gt=now)
    )
    found = (
        _present(access)
        .annotate(usable_keys=Count("keys", filter=usable))
        .order_by("user__name", "user__email", "pk")
    )
    # Unprintable characters match no name, and PostgreSQL rejects NUL.
    query = "".join(c for c in request.GET.get("q", "")[:QUERY_LENGTH] if c.isprintable()).strip()
    if query:
        found = found.filter(Q(user__name__icontains=query) | Q(user__email__icontains=query))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "organization": access.organization,
        "may_manage": access.may(Permission.MANAGE_MEMBERS),
        "may_touch_owners": access.may(Permission.MANAGE_OWNERS),
        "page": page,
        "query": query,
        "searchable": query or page.paginator.num_pages > 1,
    }
    return render(request, "tenants/members.html", context)


def _present(access: Access) -> MembershipQuerySet:
    return Membership.objects.for_organization(access.organization).present().select_related("user")


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_MEMBERS)
@recent_sign_in
def member_add(request: HttpRequest, access: Access) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = MemberForm(data, roles=_roles(access), initial=Role.MEMBER)
    if request.method == "POST" and form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            # Store the email with the membership, or neither. The worker sends it later.
            with transaction.atomic():
                membership = invite(
                    organization=access.organization,
                    email=form.cleaned_data["email"],
                    role=role,
                    by=access.actor,
                )
                _greet(request, access, membership)
        except KeywayError as error:
            form.add_error("email", error.detail)
        else:
            return redirect("members", access.organization.slug)
    context = {"form": form, "organization": access.organization}
    return render(
        request, "tenants/member_add.html", context, status=422 if request.method == "POST" else 200
    )


def _roles(access: Access) -> list[Role]:
    """Return the roles that the current user may assign."""
    return [role for role in Role if access.may(permission_to_touch(role))]


def _greet(request: HttpRequest, access: Access, membership: Membership) -> None:
    """Confirm the addition, and email the new member.

    The message is the same for existing users. Otherwise an admin could find out who already has
    an account in another organization.
    """
    messages.success(request, f"Added {membership.user.email}, and sent them an email.")
    get_adapter(request).send_invitation(membership, by=str(access.user))


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_MEMBERS)
@recent_sign_in
def member_role(request: HttpRequest, access: Access, membership_id: uuid.UUID) -> HttpResponse:
    member = _find(access, membership_id)
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = RoleForm(data, roles=_roles(access), initial=Role(member.role))
    if request.method != "POST" or not form.is_valid():
        context = {"form": form, "member": member, "organization": access.organization}
        return render(
            request,
            "tenants/member_role.html",
            context,
            status=422 if request.method == "POST" else 200,
        )
    role = Role(form.cleaned_data["role"])
    change = partial(services.change_role, role=role)
    return _apply(
        request,
        access,
        membership_id,
        change,
        done=f"{member.user.email} is now {role.label.lower()}.",
    )


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_MEMBERS)
@recent_sign_in
def member_deactivate(
    request: HttpRequest, access: Access, membership_id: uuid.UUID
) -> HttpResponse:
    return _confirm(request, access, membership_id, DEACTIVATE)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_MEMBERS)
@recent_sign_in
def member_reactivate(
    request: HttpRequest, access: Access, membership_id: uuid.UUID
) -> HttpResponse:
    return _confirm(request, access, membership_id, REACTIVATE)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_MEMBERS)
@recent_sign_in
def member_remove(request: HttpRequest, access: Access, membership_id: uuid.UUID) -> HttpResponse:
    return _confirm(request, access, membership_id, REMOVE)


def _find(access: Access, membership_id: uuid.UUID, *, lock: bool = False) -> Membership:
    """Return the member.

    Responds 404 for members of other organizations and for removed ones, and 403 if only an owner
    may change the member.
    """
    members = _present(access)
    member = get_object_or_404(
        members.select_for_update(of=("self",)) if lock else members, pk=membership_id
    )
    if not access.may(permission_to_touch(Role(member.role))):
        raise PermissionDenied(ONLY_OWNERS)
    return member


def _confirm(
    request: HttpRequest, access: Access, membership_id: uuid.UUID, change: MemberChange
) -> HttpResponse:
    member = _find(access, membership_id)
    if request.method == "POST":
        return _apply(
            request,
            access,
            membership_id,
            change.service,
            done=change.done.format(email=member.user.email),
        )
    stopping = member.keys.usable(timezone.now()).order_by("name", "pk")
    context: dict[str, Any] = {
        "organization": access.organization,
        "member": member,
        "usable_keys": stopping.count(),
        "stopping": stopping[:MOST_NAMED],
        "is_self": member.user_id == access.user.pk,
    }
    return render(request, change.template, context)


def _apply(
    request: HttpRequest,
    access: Access,
    membership_id: uuid.UUID,
    change: Callable[..., object],
    *,
    done: str,
) -> HttpResponse:
    """Apply one change to a member."""
    try:
        with transaction.atomic():
            # Check permission again on the locked row. Otherwise a member who became an owner after
            # the first check could still be changed by an admin.
            member = _find(access, membership_id, lock=True)
            change(membership=member, by=access.actor)
    except KeywayError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, done)
        if member.user_id == access.user.pk:
            return redirect("overview")  # they may no longer have access to the list of members
    return redirect("members", access.organization.slug)
