"""JSON rendering and content negotiation of the API.

Same results as Django REST framework's, several times as fast.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

_default = JSONEncoder().default


def _plain(value: Any) -> Any:
    """Convert values that msgspec does not support: subclasses of str, and Django's lazy types."""
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
    """Render problems as JSON whatever Accept says (RFC 9457)."""

    media_type = "application/problem+json"
    format = "problem"


class FastContentNegotiation(DefaultContentNegotiation):
    """Skip negotiation if Accept is missing or `*/*`.

    Parsing media types costs as much as verifying the key.
    """

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        if request.META.get("HTTP_ACCEPT", "*/*") == "*/*":
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)
