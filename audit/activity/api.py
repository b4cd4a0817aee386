"""`POST /api/v1/agent/events` and `GET /api/v1/public/audit-activity`."""

from typing import Any, cast

import msgspec
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api.permissions import HasScope, IsAgentKey, IsPublicKey
from apikeys.verify.judge import Credential
from audit.activity import batch, ingest, queries, schema
from audit.activity.arrivals import Arrival, announce
from audit.activity.batch import Verdicts
from audit.activity.ingest import Outcome, Partition
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
            "Send 1 to 10,000 events, at most 10 MiB uncompressed, as a JSON array or NDJSON, "
            "optionally with `Content-Encoding: gzip`. The response is sent after every accepted "
            "event is stored. Retrying is safe: an event with the same `event_id` and the same "
            "content counts as `duplicate`; with different content it is rejected as "
            "`conflicting_event`."
        ),
        tags=["Agent"],
        request=schema.BATCH,
        responses={200: schema.OUTCOME}
        | problems("malformed_batch", "batch_too_large", "unsupported_media_type")
        | problems("invalid_batch", rejected=schema.REJECTED),
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, _ACCEPTED)
        outcome = _store(request, _READERS[body.media_type](body.content))
        rejected = msgspec.to_builtins(outcome.rejected)
        if outcome.nothing_stored:
            raise ApiProblem("invalid_batch", rejected=rejected)
        return Response(
            {"accepted": outcome.accepted, "duplicate": outcome.duplicate, "rejected": rejected}
        )


@transaction.atomic
def _store(request: Request, verdicts: Verdicts) -> Outcome:
    """Store the events and refresh the agents they came from, in one transaction."""
    credential, now = cast("Credential", request.auth), timezone.now()
    organization_id, environment = credential.organization.id, credential.environment
    partition = Partition(organization_id, environment)
    outcome = ingest.receive(partition=partition, verdicts=verdicts, at=now)
    by = credential.actor(client_ip(request.META))
    # After the events: every request locks events, then agents, then the trail, so none deadlock.
    announce(Arrival(organization_id, environment, credential.key_id, outcome.hosts, at=now, by=by))
    return outcome


class AuditActivityView(APIView):
    permission_classes = [IsPublicKey, HasScope("read:audit-activity")]
    renderer_classes = [JsonRenderer, NdjsonRenderer, CsvRenderer]

    @extend_schema(
        operation_id="list_audit_activity",
        summary="Read activity, newest first",
        description=(
            'Follow `next_cursor`, or in every format the `Link: …; rel="next"` header, to older '
            "events. A cursor is valid only for the organization and environment of the key and "
            "for the filter it was created with. CSV cells that a spreadsheet would run as a "
            "formula start with `'`."
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
            headers["Link"] = f'<{_page_url(request, page.next_cursor)}>; rel="next"'
        return Response(
            {
                "data": [queries.row(event) for event in page.events],
                "next_cursor": page.next_cursor,
            },
            headers=headers,
        )


def _page_url(request: Request, cursor: str) -> str:
    parameters: Any = request.query_params.copy()
    parameters["cursor"] = cursor
    return request.build_absolute_uri(f"?{parameters.urlencode()}")
