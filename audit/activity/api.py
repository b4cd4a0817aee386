"""`POST /api/v1/agent/events` and `GET /api/v1/public/audit-activity`."""

from typing import Any, cast

import msgspec
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api.permissions import HasScope, IsAgentKey
from apikeys.verify.judge import Credential
from audit.activity import batch, ingest, queries, schema
from audit.activity.arrivals import Arrival, announce
from audit.activity.batch import Verdicts
from audit.activity.ingest import Outcome, Place
from audit.activity.renderers import CsvRenderer, NdjsonRenderer
from audit.activity.serializers import ActivityQuery
from config.lib.bodies import JSON, NDJSON, Accepted, read_body
from config.lib.client_ip import client_ip
from config.lib.openapi import problems
from config.lib.problems import ApiProblem
from config.lib.query_strings import read_query
from config.lib.renderers import JsonRenderer
from config.lib.snapshot import one_snapshot

_READERS = {JSON: batch.read_array, NDJSON: batch.read_lines}
_ACCEPTED = Accepted(
    media_types=tuple(_READERS),
    limit=batch.MAX_BYTES,
    malformed="malformed_batch",
    too_large="batch_too_large",
    inflates=True,
)


class AgentEventsView(APIView):
    permission_classes = [IsAgentKey, HasScope("write:agent-events")]

    @extend_schema(
        operation_id="send_events",
        summary="Send a batch of audit events",
        description=(
            "1 to 10,000 events, at most 10 MiB inflated, as a JSON array or NDJSON, optionally with `Content-Encoding: gzip`. "
            "Answered when everything accepted is stored. Sending an event again is harmless: the same `event_id` "
            "with the same content counts as `duplicate`; with other content it is rejected as `conflicting_event`."
        ),
        tags=["Agent"],
        request=schema.BATCH,
        responses={200: schema.OUTCOME}
        | problems("malformed_batch", "batch_too_large", "unsupported_media_type")
        | problems("invalid_batch", rejected=schema.REJECTED),
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, _ACCEPTED)
        outcome = _take_in(request, _READERS[body.media_type](body.content))
        rejected = msgspec.to_builtins(outcome.rejected)
        if outcome.is_in_vain:
            raise ApiProblem("invalid_batch", rejected=rejected)
        return Response(
            {"accepted": outcome.accepted, "duplicate": outcome.duplicate, "rejected": rejected}
        )


@transaction.atomic
def _take_in(request: Request, verdicts: Verdicts) -> Outcome:
    """Store the events and note the agents they came from: both or neither."""
    credential, now = cast("Credential", request.auth), timezone.now()
    organization_id, environment = credential.organization.id, credential.environment
    outcome = ingest.receive(place=Place(organization_id, environment), verdicts=verdicts, at=now)
    by = credential.actor(client_ip(request.META))
    announce(Arrival(organization_id, environment, credential.key_id, outcome.hosts, at=now, by=by))
    return outcome


class AuditActivityView(APIView):
    permission_classes = [HasScope("read:audit-activity")]
    renderer_classes = [JsonRenderer, NdjsonRenderer, CsvRenderer]

    @extend_schema(
        operation_id="list_audit_activity",
        summary="Read activity, newest first",
        description=(
            'Follow `next_cursor` (in every format also `Link: …; rel="next"`) to older events. A cursor holds for the '
            "key's organization and environment and for the filter it was made with. CSV cells that a spreadsheet "
            "would compute start with `'`."
        ),
        tags=["Activity"],
        parameters=[ActivityQuery],
        responses=schema.PAGE
        | problems("invalid_parameter", "invalid_cursor", "not_acceptable", "query_too_broad"),
    )
    @one_snapshot()
    def get(self, request: Request) -> Response:
        query = read_query(ActivityQuery, request.query_params)
        credential = cast("Credential", request.auth)
        page = queries.page(
            credential.organization.id,
            credential.environment,
            query.wanted,
            limit=query.validated_data["limit"],
            cursor=query.validated_data["cursor"],
        )
        headers = {"Cache-Control": "no-store"}
        if page.next_cursor:
            headers["Link"] = f'<{_address(request, page.next_cursor)}>; rel="next"'
        return Response(
            {
                "data": [queries.row(event) for event in page.events],
                "next_cursor": page.next_cursor,
            },
            headers=headers,
        )


def _address(request: Request, cursor: str) -> str:
    parameters: Any = request.query_params.copy()
    parameters["cursor"] = cursor
    return request.build_absolute_uri(f"?{parameters.urlencode()}")
