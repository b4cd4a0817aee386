"""`/api/v1/api-keys`: keys managed by a user token, a browser's session, or a key that may."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys import services
from apikeys.api.authentication import ApiKeyAuthentication, SessionAuthentication
from apikeys.api.bodies import (
    NewKey,
    organization_of,
    read_changes,
    read_grace,
    read_new_key,
    read_reason,
)
from apikeys.api.schema import keys as schema
from apikeys.api.serializers import KeyQuery, KeySerializer
from apikeys.errors import AlreadyIssued, AmbiguousOrganization
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.scopes import MANAGE_API_KEYS
from apikeys.services import Issued, Order, search
from apikeys.services.callers import Caller
from apikeys.verify import throttling
from apikeys.verify.denials import Denial
from apikeys.verify.judge import Credential, authorize
from apikeys.verify.problems import Refused
from config.lib.client_ip import client_ip
from config.lib.problems import ApiProblem
from config.lib.query_strings import read_query
from config.lib.snapshot import one_snapshot
from tenants.access import Access
from tenants.models import User
from tenants.sign_in.authentication import UserTokenAuthentication
from tenants.sign_in.recent import is_recent, person

NO_STORE = {"Cache-Control": "no-store"}
_ANYBODY = "Present a user token, a browser's session, or a key with manage:api-keys."


class MayManageKeys(BasePermission):
    """A person, or a key with `manage:api-keys`. A browser that changes something was signed in to lately."""

    scope = MANAGE_API_KEYS

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, Credential):
            if denial := _refusal(request.auth):
                raise Refused(denial)
            return True
        if not isinstance(request.user, User):
            raise ApiProblem("missing_key", _ANYBODY)
        is_browser = isinstance(request.successful_authenticator, SessionAuthentication)
        if is_browser and request.method not in {"GET", "HEAD"} and not is_recent(request):
            raise ApiProblem("recent_sign_in_required")
        return True


def _refusal(credential: Credential) -> Denial | None:
    return authorize(credential, kind=Kind.PUBLIC, scope=MANAGE_API_KEYS)


class ManagementView(APIView):
    authentication_classes = [ApiKeyAuthentication, UserTokenAuthentication, SessionAuthentication]
    permission_classes = [MayManageKeys]

    @property
    def caller(self) -> Caller:
        address, who = client_ip(self.request.META), self.request.auth
        if isinstance(who, Credential):
            return Caller.acting(who, address)
        return Caller.person(person(self.request), address)


class KeysView(ManagementView):
    @extend_schema(**schema.LIST)
    @one_snapshot()
    def get(self, request: Request) -> Response:
        query, caller = read_query(KeyQuery, request.query_params), self.caller
        data = query.validated_data
        page = search.page(
            caller,
            query.wanted_by(caller),
            at=timezone.now(),
            limit=data["limit"],
            cursor=data["cursor"],
        )
        told = {
            "data": [_tell(key) for key in page.keys],
            "total": page.total,
            "next_cursor": page.next_cursor,
        }
        return Response(told, headers=NO_STORE)

    @extend_schema(**schema.CREATE)
    def post(self, request: Request) -> Response:
        caller = self.caller
        sent, order = read_new_key(request, caller)
        place = _place(caller, sent)
        if key := services.find_issued(created_by=caller.user, order=order):
            return _replay(key)
        throttling.issue(by=caller.user)
        try:
            issued = _issue(caller, place, sent, order)
        except AlreadyIssued:  # the same request, a moment ago
            return _replay(services.find_issued(created_by=caller.user, order=order))
        return Response(
            _tell(issued.key, key=issued.plaintext.reveal()), status=201, headers=NO_STORE
        )


def _place(caller: Caller, sent: NewKey) -> Access:
    try:
        return caller.enter_to_issue(Kind(sent.kind), organization_of(sent))
    except AmbiguousOrganization as error:
        raise ApiProblem("validation_failed", errors={"organization_id": [error.detail]}) from error


def _issue(caller: Caller, place: Access, sent: NewKey, order: Order) -> Issued:
    by, within = caller.actor, caller.authority_in(place.organization.pk)
    if place.membership is None or Kind(sent.kind) is Kind.AGENT:
        return services.issue_agent_key(
            organization=place.organization,
            order=order,
            by=by,
            created_by=caller.user,
            within=within,
        )
    return services.issue_public_key(
        owner=place.membership, order=order, scopes=sent.scopes, by=by, within=within
    )


def _replay(key: Key | None) -> Response:
    return Response(
        _tell(key, secret_shown=True),
        status=201,
        headers={**NO_STORE, "Idempotent-Replayed": "true"},
    )


class KeyView(ManagementView):
    @extend_schema(**schema.SHOW)
    @one_snapshot()
    def get(self, request: Request, key_id: uuid.UUID) -> Response:
        return Response(_tell(self.caller.find(key_id)), headers=NO_STORE)

    @extend_schema(**schema.EDIT)
    def patch(self, request: Request, key_id: uuid.UUID) -> Response:
        caller = self.caller
        key = caller.find_to_change(key_id)
        within = caller.authority_in(key.organization_id)
        receipt = services.edit(
            key=key, changes=read_changes(request), within=within, by=caller.actor
        )
        return Response(
            _tell(caller.find(key_id), effective_at=receipt.effective_at), headers=NO_STORE
        )

    @extend_schema(**schema.REVOKE)
    def delete(self, request: Request, key_id: uuid.UUID) -> Response:
        caller = self.caller
        key = caller.find_to_change(key_id, to_end=True)
        receipt = services.revoke(key=key, by=caller.actor, reason=read_reason(request))
        revoked = caller.find(key_id)
        told = {
            "id": revoked.public_id,
            "revoked_at": revoked.revoked_at,
            "effective_at": receipt.effective_at,
        }
        return Response(told, headers=NO_STORE)


class RotationView(ManagementView):
    @extend_schema(**schema.ROTATE)
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        caller = self.caller
        key = caller.find_to_change(key_id)
        grace = read_grace(request)
        throttling.issue(by=caller.user)
        done = services.rotate(
            key=key, grace=grace, within=caller.authority_in(key.organization_id), by=caller.actor
        )
        told = _tell(
            caller.find(key_id),
            key=done.plaintext.reveal(),
            effective_at=done.effective_at,
            old_key_expires_at=done.old_expires_at,
        )
        return Response(told, headers=NO_STORE)


def _tell(key: Key | None, /, **more: Any) -> dict[str, Any]:
    return {**KeySerializer(key).data, **more}
