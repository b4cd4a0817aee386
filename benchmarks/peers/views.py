"""One view for each way of authenticating. All answer the same body, as long as Keyway's whoami."""

from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.http import HttpRequest, HttpResponse
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.permissions import HasAPIKey

from benchmarks.peers.models import Argon2Key, Event

ANSWER = {
    "key_id": "key_01jd8x3k5pf6hqn7q2r9v0w1yz",
    "name": "SIEM Integration",
    "kind": "public",
    "environment": "live",
    "organization": {"id": "org_01jd8x3k5pf6hqn7q2r9v0w1yz", "name": "Acme", "slug": "acme"},
    "owner": {"id": "usr_01jd8x3k5pf6hqn7q2r9v0w1yz", "email": "bob@acme.example"},
    "scopes": ["read:audit-activity"],
    "expires_at": None,
    "limits": [
        {
            "limit": "key",
            "quota": 6000,
            "window_seconds": 60,
            "remaining": 5999,
            "resets_in_seconds": 1,
        },
        {
            "limit": "organization",
            "quota": 30000,
            "window_seconds": 60,
            "remaining": 29999,
            "resets_in_seconds": 1,
        },
    ],
}


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


class Open(APIView):
    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        return Response(ANSWER)


class Token(Open):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


class Knox(Open):
    authentication_classes = [KnoxAuthentication]
    permission_classes = [IsAuthenticated]


class ApiKey(Open):
    permission_classes = [HasAPIKey]


class Argon2Authentication(BaseAuthentication):
    _hasher = Argon2PasswordHasher()

    def authenticate(self, request: Request) -> tuple[Any, Argon2Key]:
        presented = request.headers["X-API-Key"]
        key = Argon2Key.objects.filter(prefix=presented[:16]).first()
        if key is None or not self._hasher.verify(presented, key.proof):
            raise AuthenticationFailed()
        return None, key


class Argon2(Open):
    authentication_classes = [Argon2Authentication]


class EventSerializer(serializers.ModelSerializer[Event]):
    class Meta:
        model = Event
        exclude = ("id", "organization_id", "received_at")


class Events(Open):
    """Ingest as DRF's documentation describes it: a serializer with many=True, then bulk_create."""

    def post(self, request: Request) -> Response:
        serializer = EventSerializer(data=request.data, many=True)
        serializer.is_valid(raise_exception=True)
        organization = "018f0000-0000-7000-8000-000000000000"
        events = [
            Event(organization_id=organization, **fields) for fields in serializer.validated_data
        ]
        Event.objects.bulk_create(events, ignore_conflicts=True)
        return Response({"accepted": len(events)})
