"""`/api/v1/api-keys`: manage keys with a user token, a browser session or a key with the scope."""

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
    holding_of,
    organization_of,
    read_changes,
    read_new_key,
    read_overlap,
    read_reason,
)
from apikeys.api.request_serializers import KeyRequestSerializer
from apikeys.api.schema import keys as schema
from apikeys.api.serializers import KeyQuery, KeySerializer, ShownKeySerializer
from apikeys.errors import (
    AlreadyIssued,
    AmbiguousOrganization,
    ApprovalRequired,
    ExpiryInThePast,
    ExpiryMovedOut,
)
from apikeys.kind import Kind
from apikeys.models import Key, KeyRequest
from apikeys.scopes import MANAGE_API_KEYS
from apikeys.services import Issued, Order, search
from apikeys.services.callers import Caller, IssuingPlace
from apikeys.verify import throttling
from apikeys.verify.denials import Denial
from apikeys.verify.judge import Credential, authorize
from apikeys.verify.problems import Refused
from config.lib.client_ip import client_ip
from config.lib.problems import ApiProblem
from config.lib.query_strings import read_query
from config.lib.snapshot import one_snapshot
from tenants.models import User
from tenants.sign_in.authentication import UserTokenAuthentication
from tenants.sign_in.recent import is_recent, person

NO_STORE = {"Cache-Control": "no-store"}
REPLAYED = {"Idempotent-Replayed": "true"}
_MISSING_PERSON = "Send a user token or a browser session. A key cannot do this."


class MayManageKeys(BasePermission):
    """Allow a person, or a key with `manage:api-keys`.

    Changes with a browser session also require a recent sign-in, because a session can be stolen or
    left open.
    """

    scope = MANAGE_API_KEYS
    missing = "Send a user token, a browser session or a key with manage:api-keys."

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, Credential):
            if denial := _refusal(request.auth):
                raise Refused(denial)
            return True
        if not isinstance(request.user, User):
            raise ApiProblem("missing_key", self.missing)
        _require_recent(request)
        return True


class IsPerson(BasePermission):
    """Allow people only. Keys and applications do not decide about keys of other people."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, User):
            raise ApiProblem("missing_token", _MISSING_PERSON)
        _require_recent(request)
        return True


def _require_recent(request: Request) -> None:
    is_browser = isinstance(request.successful_authenticator, SessionAuthentication)
    if is_browser and request.method not in {"GET", "HEAD"} and not is_recent(request):
        raise ApiProblem("recent_sign_in_required")


def _refusal(credential: Credential) -> Denial | None:
    return authorize(credential, kind=Kind.PUBLIC, scope=MANAGE_API_KEYS)


class ManagementView(APIView):
    # User tokens first. Here they act for the person in all their organizations, and elsewhere they
    # are a credential of one organization.
    authentication_classes = [UserTokenAuthentication, ApiKeyAuthentication, SessionAuthentication]
    permission_classes = [MayManageKeys]

    @property
    def caller(self) -> Caller:
        address, credential = client_ip(self.request.META), self.request.auth
        if isinstance(credential, Credential):
            return Caller.acting(credential, address)
        return Caller.person(person(self.request), address)


class PersonView(ManagementView):
    """A view that acts for a person in person."""

    authentication_classes = [UserTokenAuthentication, SessionAuthentication]
    permission_classes = [IsPerson]


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
        response = {
            "data": [_to_json(key) for key in page.keys],
            "total": page.total,
            "next_cursor": page.next_cursor,
        }
        return Response(response, headers=NO_STORE)

    @extend_schema(**schema.CREATE)
    def post(self, request: Request) -> Response:
        caller = self.caller
        body, order = read_new_key(request, caller)
        place = _place_to_issue(caller, body)
        # A replay comes before the checks and the limit, so that a retry never fails for those.
        if key := services.find_issued(created_by=caller.user, order=order):
            return _replay(key)
        if earlier := services.find_requested(requester=caller.user, order=order):
            return _requested(earlier, **REPLAYED)
        try:
            issued = issue(caller, place, body, order)
        except AlreadyIssued:  # a concurrent request with the same key was faster
            return _replay(services.find_issued(created_by=caller.user, order=order))
        except ApprovalRequired:
            return _requested(
                services.request_key(
                    caller=caller,
                    place=place,
                    order=order,
                    scopes=body.scopes,
                    # Each request emails every approver, so it counts like a key.
                    spend=lambda: throttling.issue(by=caller.throttled_as),
                )
            )
        return Response(
            _to_json(issued.key, key=issued.plaintext.reveal()), status=201, headers=NO_STORE
        )


def _place_to_issue(caller: Caller, body: NewKey) -> IssuingPlace:
    try:
        return caller.enter_to_issue(holding_of(body, caller), organization_of(body))
    except AmbiguousOrganization as error:
        raise ApiProblem("validation_failed", errors={"organization_id": [error.detail]}) from error


def issue(caller: Caller, place: IssuingPlace, body: NewKey, order: Order) -> Issued:
    """Issue the key within the limit of new keys. Raises KeywayError."""
    by, within = caller.actor, caller.authority_in(place.organization.pk)

    def spend() -> None:
        throttling.issue(by=caller.throttled_as)

    if place.owner:
        return services.issue_public_key(
            owner=place.owner, order=order, scopes=body.scopes, by=by, within=within, spend=spend
        )
    if Kind(body.kind) is Kind.AGENT:
        return services.issue_agent_key(
            organization=place.organization,
            order=order,
            by=by,
            created_by=caller.user,
            within=within,
            spend=spend,
        )
    return services.issue_organization_key(
        organization=place.organization,
        order=order,
        scopes=body.scopes,
        by=by,
        created_by=caller.user,
        within=within,
        spend=spend,
    )


def _replay(key: Key | None) -> Response:
    return Response(
        _to_json(key, secret_shown=True),
        status=201,
        headers={**NO_STORE, **REPLAYED},
    )


def _requested(request: KeyRequest, **headers: str) -> Response:
    return Response(KeyRequestSerializer(request).data, status=202, headers={**NO_STORE, **headers})


class KeyView(ManagementView):
    @extend_schema(**schema.SHOW)
    @one_snapshot()
    def get(self, request: Request, key_id: uuid.UUID) -> Response:
        return Response(ShownKeySerializer(self.caller.find(key_id)).data, headers=NO_STORE)

    @extend_schema(**schema.EDIT)
    def patch(self, request: Request, key_id: uuid.UUID) -> Response:
        caller = self.caller
        key = caller.find_to_change(key_id)
        within = caller.authority_in(key.organization_id)
        changes = read_changes(request)
        try:
            receipt = services.edit(key=key, changes=changes, within=within, by=caller.actor)
        except (ExpiryInThePast, ExpiryMovedOut) as error:
            raise ApiProblem("validation_failed", errors={"expires_at": [error.detail]}) from error
        return Response(
            _to_json(caller.find(key_id), effective_at=receipt.effective_at), headers=NO_STORE
        )

    @extend_schema(**schema.REVOKE)
    def delete(self, request: Request, key_id: uuid.UUID) -> Response:
        caller = self.caller
        key = caller.find_to_change(key_id, to_end=True)
        receipt = services.revoke(key=key, by=caller.actor, reason=read_reason(request))
        revoked = caller.find(key_id)
        response = {
            "id": revoked.public_id,
            "revoked_at": revoked.revoked_at,
            "effective_at": receipt.effective_at,
        }
        return Response(response, headers=NO_STORE)


class RotationView(ManagementView):
    @extend_schema(**schema.ROTATE)
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        caller = self.caller
        key = caller.find_to_change(key_id)
        overlap = read_overlap(request, key)
        throttling.issue(by=caller.throttled_as)
        within = caller.authority_in(key.organization_id)
        rotated = services.rotate(key=key, overlap=overlap, within=within, by=caller.actor)
        response = _to_json(
            caller.find(key_id),
            key=rotated.plaintext.reveal(),
            mask=rotated.plaintext.mask,
            effective_at=rotated.effective_at,
            old_key_expires_at=rotated.old_expires_at,
            lapses_at=rotated.lapses_at,
        )
        return Response(response, headers=NO_STORE)


def _to_json(key: Key | None, /, **more: Any) -> dict[str, Any]:
    return {**KeySerializer(key).data, **more}
