from rest_framework.renderers import JSONRenderer


class ProblemRenderer(JSONRenderer):
    """Problems are JSON whatever the request accepts (RFC 9457)."""

    media_type = "application/problem+json"
    format = "problem"
