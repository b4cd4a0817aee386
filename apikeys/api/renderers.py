from config.lib.renderers import JsonRenderer


class ProblemRenderer(JsonRenderer):
    """Problems are JSON whatever the request accepts (RFC 9457)."""

    media_type = "application/problem+json"
    format = "problem"
