from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request


class ProblemRenderer(JSONRenderer):
    """Problems are JSON whatever the request accepts (RFC 9457)."""

    media_type = "application/problem+json"
    format = "problem"


class Negotiation(DefaultContentNegotiation):
    """Who takes anything gets the first renderer at once: weighing media types would take as long as verifying a key."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        if request.META.get("HTTP_ACCEPT", "*/*") == "*/*":
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)
