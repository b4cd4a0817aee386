"""`/api/v1/organizations/{id}/key-rules`: read and change what an organization demands of keys."""

import uuid
from typing import Annotated, Any, Literal

import msgspec
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from msgspec import UNSET, Meta, UnsetType
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys.api.bodies import Errors, Networks
from apikeys.api.keys import NO_STORE, PersonView
from apikeys.models import KeyRules
from apikeys.rules import Issuers
from apikeys.rules.models import MOST_DAYS
from apikeys.services.rules import approvers, change_rules, stored_rules
from config.lib import bodies
from config.lib.bodies import JSON
from config.lib.examples import ORGANIZATION, example
from config.lib.openapi import BODY, problems, schema_of
from config.lib.snapshot import one_snapshot
from tenants.access import Access
from tenants.errors import NoAccess
from tenants.roles import Permission

DaysOrNone = Annotated[int, Meta(ge=1, le=MOST_DAYS)] | None


class KeyRulesEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes to the key rules. Omitted fields keep their values; `null` days demand nothing."""

    issuers: Literal["members", "admins"] | UnsetType = UNSET
    longest_days: DaysOrNone | UnsetType = UNSET
    allows_never: bool | UnsetType = UNSET
    live_networks: Networks | UnsetType = UNSET
    needs_approval: bool | UnsetType = UNSET
    rotate_live_days: DaysOrNone | UnsetType = UNSET
    rotate_test_days: DaysOrNone | UnsetType = UNSET


class KeyRulesSerializer(serializers.Serializer[Any]):
    organization_id = serializers.CharField(source="organization.public_id")
    issuers = serializers.ChoiceField(
        choices=Issuers.choices, help_text="Who may have public keys."
    )
    longest_days = serializers.IntegerField(
        allow_null=True, help_text="A number also rules out keys that never expire."
    )
    allows_never = serializers.BooleanField(help_text="Whether a key may have no expiry.")
    live_networks = serializers.ListField(
        child=serializers.CharField(),
        help_text="Live keys must be bound to networks within these. Empty demands none.",
    )
    needs_approval = serializers.BooleanField(
        help_text="Whether a second person must approve each live public key."
    )
    rotate_live_days = serializers.IntegerField(allow_null=True)
    rotate_test_days = serializers.IntegerField(allow_null=True)
    approvers = serializers.SerializerMethodField(
        help_text="Active admins and owners. Approval needs two."
    )

    def get_approvers(self, row: KeyRules) -> int:
        return approvers(row.organization).count()


_ABOUT: dict[str, Any] = {"tags": ["Key rules"]}
_RULES = {
    "organization_id": ORGANIZATION["id"],
    "issuers": "members",
    "longest_days": 365,
    "allows_never": False,
    "live_networks": [],
    "needs_approval": True,
    "rotate_live_days": 90,
    "rotate_test_days": None,
    "approvers": 2,
}


class KeyRulesView(PersonView):
    @extend_schema(
        operation_id="show_key_rules",
        summary="Show the key rules of an organization",
        responses={200: KeyRulesSerializer} | problems("missing_token", "not_found", "forbidden"),
        **_ABOUT,
    )
    @one_snapshot()
    def get(self, request: Request, organization_id: uuid.UUID) -> Response:
        place = self._enter(organization_id, Permission.READ_MEMBERS)
        return Response(KeyRulesSerializer(stored_rules(place.organization)).data, headers=NO_STORE)

    @extend_schema(
        operation_id="change_key_rules",
        summary="Change the key rules of an organization",
        description=(
            "For admins and owners. Existing keys that break a new rule keep working. "
            "Only an owner can stop requiring approval."
        ),
        request={JSON: schema_of(KeyRulesEdit)},
        responses={200: KeyRulesSerializer}
        | BODY
        | problems(
            "missing_token",
            "not_found",
            "forbidden",
            "not_enough_approvers",
            "approval_needs_an_owner",
            "recent_sign_in_required",
            "csrf_failed",
        ),
        **_ABOUT,
    )
    def patch(self, request: Request, organization_id: uuid.UUID) -> Response:
        place = self._enter(organization_id, Permission.MANAGE_KEY_RULES)
        row = change_rules(place=place, changes=_read(request))
        return Response(KeyRulesSerializer(row).data, headers=NO_STORE)

    def _enter(self, organization_id: uuid.UUID, permission: Permission) -> Access:
        place = self.caller.reach.get(organization_id)
        if place is None:
            raise NoAccess()
        place.require(permission)
        return place


def _read(request: HttpRequest) -> dict[str, Any]:
    body = bodies.read(request, KeyRulesEdit)
    changes = {
        name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET
    }
    if "live_networks" in changes:
        errors, name = Errors(), "live_networks"
        changes[name] = [str(network) for network in errors.networks(changes[name], name)]
        errors.check()
    return changes


example(
    "change_key_rules",
    request={JSON: {"longest_days": 365, "allows_never": False, "rotate_live_days": 90}},
    answer={JSON: _RULES},
)
example("show_key_rules", answer={JSON: _RULES})
