"""`/api/keys`: key management with the addresses and fields of ASCEND's guide, and no others."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys import services
from apikeys.api.authentication import ApiKeyAuthentication
from apikeys.api.bodies import Errors, NewKey, order_of
from apikeys.api.keys import NO_STORE, ManagementView, MayManageKeys, issue
from apikeys.dialects import ascend_schema as schema
from apikeys.dialects.ascend_serializers import (
    MOST_LISTED,
    AscendUsageSerializer,
    Generate,
    listed,
    shown,
)
from apikeys.errors import AmbiguousOrganization
from apikeys.models import Key, KeyQuerySet
from apikeys.scopes import read_preset
from apikeys.services import Order
from apikeys.services.callers import Caller, Holding
from apikeys.usage import statistics
from config.lib import bodies
from config.lib.problems import ApiProblem
from config.lib.snapshot import one_snapshot
from tenants.errors import NoAccess
from tenants.sign_in.authentication import UserTokenAuthentication


class MayManageKeysByProgram(MayManageKeys):
    missing = "Send a user token or a key with manage:api-keys."


class AscendView(ManagementView):
    # No browser session: the guide authenticates by token, and a route that ignores cookies needs
    # neither a CSRF token nor a recent sign-in.
    authentication_classes = [UserTokenAuthentication, ApiKeyAuthentication]
    permission_classes = [MayManageKeysByProgram]

    def organization_of(self, caller: Caller) -> uuid.UUID | None:
        """The organization that `X-Organization-Id` names, for a person who has several.

        Raises NoAccess for one that the person has no place in. A key has only its own, which
        authentication compares with the header.
        """
        named = self.request.META.get("HTTP_X_ORGANIZATION_ID")
        if named is None or caller.key:
            return None
        for pk, place in caller.reach.places.items():
            if named in (place.organization.public_id, place.organization.slug):
                return pk
        raise NoAccess()

    def find(self, key_id: uuid.UUID, *, to_revoke: bool = False) -> tuple[Caller, Key]:
        """Raises like Caller.find, and NoAccess for a key outside the named organization."""
        caller = self.caller
        organization = self.organization_of(caller)
        key = caller.find_to_change(key_id, to_end=True) if to_revoke else caller.find(key_id)
        if organization not in (None, key.organization_id):
            raise NoAccess()
        return caller, key


class GenerateView(AscendView):
    @extend_schema(**schema.GENERATE)
    def post(self, request: Request) -> Response:
        caller = self.caller
        body, order = _read(request, caller)
        try:
            place = caller.enter_to_issue(Holding.ORGANIZATION, self.organization_of(caller))
        except AmbiguousOrganization as error:
            errors = {"X-Organization-Id": [error.detail]}
            raise ApiProblem("validation_failed", errors=errors) from error
        issued = issue(caller, place, body, order)
        return Response(shown(issued), status=201, headers=NO_STORE)


def _read(request: Request, caller: Caller) -> tuple[NewKey, Order]:
    """Read the guide's three fields as a new key of the organization with the preset *Read*."""
    asked = bodies.read(request, Generate)
    body = NewKey(
        name=asked.name,
        description=asked.description,
        expires_in_days=asked.expires_in_days,
        scopes=read_preset(),
        owner="organization",
    )
    errors = Errors()
    order = order_of(body, caller, errors)
    errors.check()
    return body, order


class ListView(AscendView):
    @extend_schema(**schema.LIST)
    @one_snapshot()
    def get(self, request: Request) -> Response:
        caller = self.caller
        found = caller.keys()
        if organization := self.organization_of(caller):
            found = found.filter(organization=organization)
        keys = _newest(found)
        totals, now = statistics.totals(keys), timezone.now()
        answer = {
            "keys": [listed(key, totals.get(key.pk, 0), now) for key in keys],
            "total": found.count(),
        }
        return Response(answer, headers=NO_STORE)


def _newest(found: KeyQuerySet) -> list[Key]:
    rows = found.order_by("-pk").select_related("owner__user").prefetch_related("secrets")
    return list(rows[:MOST_LISTED])


class AscendUsageView(AscendView):
    @extend_schema(**schema.USAGE)
    @one_snapshot()
    def get(self, request: Request, key_id: uuid.UUID) -> Response:
        _, key = self.find(key_id)
        usage = AscendUsageSerializer(
            {"key": key, "statistics": statistics.of_key(key, timezone.now())}
        )
        return Response(usage.data, headers=NO_STORE)


class RevokeView(AscendView):
    @extend_schema(**schema.REVOKE)
    def delete(self, request: Request, key_id: uuid.UUID) -> Response:
        caller, key = self.find(key_id, to_revoke=True)
        services.revoke(key=key, by=caller.actor)
        key.refresh_from_db(fields=["revoked_at"])
        answer: dict[str, Any] = {
            "success": True,
            "message": "API key revoked successfully",
            "key_id": key.public_id,
            "revoked_at": key.revoked_at,
        }
        return Response(answer, headers=NO_STORE)
