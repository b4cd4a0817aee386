"""How the API writes JSON, and whether it is asked to: both as Django REST framework does it, and several times as fast."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

_default = JSONEncoder().default


def _plain(value: Any) -> Any:
    """What msgspec does not take: texts of a class of their own, and what only Django knows."""
    return str.__str__(value) if isinstance(value, str) else _default(value)


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


class JsonRenderer(JSONRenderer):
    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        if accepted_media_type and ";" in accepted_media_type:  # `application/json; indent=4`
            rendered: bytes = super().render(data, accepted_media_type, renderer_context)
            return rendered
        return _encode(data)


class ProblemRenderer(JsonRenderer):
    """Problems are JSON whatever the request accepts (RFC 9457)."""

    media_type = "application/problem+json"
    format = "problem"


class Negotiation(DefaultContentNegotiation):
    """Who takes anything gets the first renderer at once: weighing media types would take as long as verifying a key."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        if request.META.get("HTTP_ACCEPT", "*/*") == "*/*":
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)
