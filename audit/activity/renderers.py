"""Render a page of activity as NDJSON or CSV."""

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from audit.activity.queries import FIELDS
from config.lib.export import csv_lines, ndjson_lines


class NdjsonRenderer(BaseRenderer):
    media_type = "application/x-ndjson"
    format = "ndjson"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return "".join(ndjson_lines(data["data"], FIELDS)).encode()


class CsvRenderer(BaseRenderer):
    media_type = "text/csv"
    format = "csv"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return "".join(csv_lines(data["data"], FIELDS)).encode()
