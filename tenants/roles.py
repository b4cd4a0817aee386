"""Roles and their permissions. No other module may compare roles; ask for a permission."""

from enum import Enum, auto

from django.db import models


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"
    AUDITOR = "auditor", "Auditor"


class Permission(Enum):
    READ_ACTIVITY = auto()
    READ_TRAIL = auto()
    READ_AGENTS = auto()
    READ_MEMBERS = auto()
    ISSUE_OWN_KEYS = auto()
    ISSUE_ORGANIZATION_KEYS = auto()
    MANAGE_AGENTS = auto()
    MANAGE_MEMBERS = auto()
    MANAGE_APPLICATIONS = auto()
    MANAGE_NOTIFICATIONS = auto()
    MANAGE_ORGANIZATION = auto()
    MANAGE_KEY_RULES = auto()
    MANAGE_OWNERS = auto()
    MANAGE_SINGLE_SIGN_ON = auto()


_READING = frozenset(
    {
        Permission.READ_ACTIVITY,
        Permission.READ_TRAIL,
        Permission.READ_AGENTS,
        Permission.READ_MEMBERS,
    }
)
_ADMIN = _READING | {
    Permission.ISSUE_OWN_KEYS,
    Permission.ISSUE_ORGANIZATION_KEYS,
    Permission.MANAGE_AGENTS,
    Permission.MANAGE_MEMBERS,
    Permission.MANAGE_APPLICATIONS,
    Permission.MANAGE_NOTIFICATIONS,
    Permission.MANAGE_ORGANIZATION,
    Permission.MANAGE_KEY_RULES,
}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    # A provider signs in anyone of its domains, owners too. An admin who could choose it could
    # promote themselves.
    Role.OWNER: _ADMIN | {Permission.MANAGE_OWNERS, Permission.MANAGE_SINGLE_SIGN_ON},
    Role.ADMIN: _ADMIN,
    Role.MEMBER: frozenset({Permission.READ_ACTIVITY, Permission.ISSUE_OWN_KEYS}),
    Role.AUDITOR: _READING,
}
# Platform staff manage every organization's agents but cannot read its data.
STAFF_PERMISSIONS = frozenset({Permission.READ_AGENTS, Permission.MANAGE_AGENTS})


def permits(role: str, permission: Permission) -> bool:
    return permission in PERMISSIONS[Role(role)]


def roles_with(permission: Permission) -> list[Role]:
    return [role for role in Role if permits(role, permission)]


def permission_to_touch(role: Role) -> Permission:
    """Return the permission needed to assign this role or to change a member who has it.

    Only owners may touch owners. Otherwise an admin could promote themselves.
    """
    return Permission.MANAGE_OWNERS if role is Role.OWNER else Permission.MANAGE_MEMBERS
