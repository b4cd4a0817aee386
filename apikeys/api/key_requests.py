"""`/api/v1/key-requests`: follow requests for keys, and collect the approved ones."""

import uuid

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys import services
from apikeys.api.keys import NO_STORE, ManagementView, PersonView
from apikeys.api.request_serializers import KeyRequestQuery, KeyRequestSerializer
from apikeys.api.schema import keys as schema
from apikeys.api.serializers import IssuedKeySerializer
from apikeys.models import KeyRequest
from apikeys.services.approve import requests_seen_by
from apikeys.services.callers import Caller
from apikeys.verify import throttling
from config.lib.ids import encode
from config.lib.query_strings import read_query
from config.lib.snapshot import one_snapshot
from tenants.errors import NoAccess


class KeyRequestsView(ManagementView):
    @extend_schema(**schema.LIST_REQUESTS)
    @one_snapshot()
    def get(self, request: Request) -> Response:
        query = read_query(KeyRequestQuery, request.query_params)
        limit, status = query.validated_data["limit"], query.status_wanted()
        found = requests_seen_by(self.caller).filter(**query.conditions())
        if status:
            found = found.with_status(status, timezone.now())
        rows = list(found.with_people().order_by("-pk")[: limit + 1])
        more = len(rows) > limit
        response = {
            "data": [KeyRequestSerializer(row).data for row in rows[:limit]],
            "next_cursor": encode("req", rows[limit - 1].pk) if more else None,
        }
        return Response(response, headers=NO_STORE)


class KeyRequestView(ManagementView):
    @extend_schema(**schema.SHOW_REQUEST)
    @one_snapshot()
    def get(self, request: Request, request_id: uuid.UUID) -> Response:
        found = _find(self.caller, request_id)
        return Response(KeyRequestSerializer(found).data, headers=NO_STORE)


class CollectionView(PersonView):
    @extend_schema(**schema.COLLECT)
    def post(self, request: Request, request_id: uuid.UUID) -> Response:
        caller = self.caller
        found = _find(caller, request_id)
        throttling.issue(by=caller.throttled_as)
        issued = services.collect(request=found, by=caller)
        response = {**IssuedKeySerializer(issued.key).data, "key": issued.plaintext.reveal()}
        return Response(response, status=201, headers=NO_STORE)


def _find(caller: Caller, request_id: uuid.UUID) -> KeyRequest:
    found = requests_seen_by(caller).with_people().filter(pk=request_id).first()
    if found is None:
        raise NoAccess()
    return found
