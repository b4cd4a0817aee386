"""Users, organizations, memberships and agents in the platform admin: read-only, with actions."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.trail.actor import Actor
from config.lib.client_ip import client_ip
from config.pages.admin import ReadOnlyAdmin
from tenants import services
from tenants.access import actor
from tenants.models import Agent, Membership, Organization, User


def actor_of(request: HttpRequest) -> Actor:
    assert isinstance(request.user, User)  # noqa: S101  the admin admits only staff users
    return actor(request.user, client_ip(request.META))


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    search_fields = ("email", "name")
    list_filter = ("is_active", "is_staff")
    fields = (
        "email",
        "name",
        "is_active",
        "is_staff",
        "is_superuser",
        "time_zone",
        "last_login",
        "date_joined",
    )
    actions = ("deactivate", "reactivate", "reset_second_factor")

    @admin.action(description="Deactivate in every organization")
    def deactivate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        for user in users:
            services.deactivate_user(user=user, by=actor_of(request))
        self.message_user(request, f"Deactivated {len(users)} users.")

    @admin.action(description="Reactivate")
    def reactivate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        for user in users:
            services.reactivate_user(user=user, by=actor_of(request))
        self.message_user(request, f"Reactivated {len(users)} users.")

    @admin.action(description="Reset second factor (removes authenticator and recovery codes)")
    def reset_second_factor(self, request: HttpRequest, users: QuerySet[User]) -> None:
        for user in users:
            services.reset_second_factor(user=user, by=actor_of(request))
        self.message_user(request, f"Reset the second factor of {len(users)} users.")


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    list_display = ("name", "slug", "created_at", "suspended_at")
    search_fields = ("name", "slug")
    actions = ("suspend", "resume")

    @admin.action(description="Suspend (denies every key)")
    def suspend(self, request: HttpRequest, organizations: QuerySet[Organization]) -> None:
        for organization in organizations:
            services.suspend_organization(organization=organization, by=actor_of(request))
        self.message_user(request, f"Suspended {len(organizations)} organizations.")

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, organizations: QuerySet[Organization]) -> None:
        for organization in organizations:
            services.resume_organization(organization=organization, by=actor_of(request))
        self.message_user(request, f"Resumed {len(organizations)} organizations.")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ("user", "organization", "role", "created_at", "deactivated_at", "removed_at")
    list_select_related = ("user", "organization")
    list_filter = ("role", "organization")
    search_fields = ("user__email", "organization__slug")


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    list_display = ("host", "organization", "environment", "version", "last_seen_at")
    list_select_related = ("organization",)
    list_filter = ("environment", "organization")
    search_fields = ("host",)
