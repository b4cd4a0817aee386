"""Django REST framework's exception handler. It turns every refusal into a problem."""

from typing import Any

from rest_framework import exceptions
from rest_framework.response import Response

from apikeys.verify import usage_note
from apikeys.verify.problems import Refused
from config.lib import problems
from config.lib.problems import CONTENT_TYPE, ApiProblem
from config.lib.renderers import ProblemRenderer

_BY_STATUS = {
    401: "missing_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
}


def handle(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Respond with the problem, or return None for a bug, which then becomes a logged 500."""
    problem = translate(exception)
    if problem is None:
        return None
    response = Response(
        problems.body(problem),
        status=problem.status_code,
        content_type=CONTENT_TYPE,
        headers=problems.headers(problem),
    )
    request = context.get("request")
    if request is not None:
        if isinstance(problem, Refused):
            usage_note.deny(request.META, problem.denial)
        # The negotiated renderer may be CSV, but a problem is always JSON.
        request.accepted_renderer = ProblemRenderer()
        request.accepted_media_type = CONTENT_TYPE
    return response


def translate(exception: Exception) -> ApiProblem | None:
    if isinstance(exception, exceptions.APIException):
        return ApiProblem(_BY_STATUS.get(exception.status_code, "bad_request"))
    return problems.translate(exception)
