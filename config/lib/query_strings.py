"""Read query strings of the API with a serializer."""

import re
from typing import Any, TypeVar

from django.http import QueryDict
from rest_framework import serializers

from config.lib.problems import ApiProblem

Query = TypeVar("Query", bound=serializers.Serializer[Any])

_NAME = re.compile(r"[a-z_]{1,32}")


def read_query(form: type[Query], parameters: QueryDict) -> Query:
    """Validate a query string. Raises `invalid_parameter` with the first invalid parameter."""
    query = form(data=parameters)
    for name, values in parameters.lists():
        if name not in query.fields:
            raise _invalid(name, "Unknown parameter.")
        if len(values) > 1:
            raise _invalid(name, "This parameter is repeated.")
    if not query.is_valid():
        name, errors = next(iter(query.errors.items()))
        raise _invalid(name, " ".join(errors))
    return query


def _invalid(name: str, detail: str) -> ApiProblem:
    return ApiProblem(
        "invalid_parameter", detail, parameter=name if _NAME.fullmatch(name) else None
    )
