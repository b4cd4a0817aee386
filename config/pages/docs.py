"""The API reference: OpenAPI, and Swagger UI under the same strict policy as every other page."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from config.lib.problems import PROBLEMS
from config.pages import csp


class SchemaView(SpectacularAPIView):
    """OpenAPI 3.1 as YAML or JSON."""

    authentication_classes = []


class ReferenceView(SpectacularSwaggerSplitView):
    """Swagger UI. Its icons are data: URIs, so only this page allows those as images."""

    authentication_classes = []
    template_name = "docs/api.html"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        csp.extend(response, img_src=["data:"])
        return response


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    problems = [
        (code, problem, _with_code_marked(problem.detail)) for code, problem in PROBLEMS.items()
    ]
    return render(request, "docs/errors.html", {"problems": problems})


def _with_code_marked(text: str) -> SafeString:
    """Escape the text and turn each `word` in backticks into a <code> element."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in parts),
    )
