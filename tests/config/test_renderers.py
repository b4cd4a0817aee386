import json
import uuid
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from rest_framework.renderers import JSONRenderer
from rest_framework.serializers import Serializer
from rest_framework.test import APIClient
from rest_framework.utils.serializer_helpers import ReturnDict

from apikeys.kind import Kind
from apikeys.services import Issued
from config.lib.renderers import JsonRenderer
from tests.conftest import api


@pytest.mark.parametrize(
    "value",
    [
        {"b": [1, True, None, 1.5], "a": {"ä": '\U0001f511 " \\ \n\x7f'}},
        ReturnDict({"a": 1}, serializer=Serializer[Any]()),
        [
            datetime(2026, 11, 21, 12, 0, 0, 120, tzinfo=UTC),
            datetime(2026, 11, 21, tzinfo=UTC),
            date(2026, 11, 21),
        ],
        [uuid.UUID(int=7), Kind.AGENT, {Kind.AGENT: 1}],
        [mark_safe("<b>"), gettext_lazy("Yes"), ("a",)],
        [],
        {},
        "",
    ],
)
def test_json_matches_rest_framework(value: Any) -> None:
    assert json.loads(JsonRenderer().render(value)) == json.loads(JSONRenderer().render(value))


def test_no_data_is_an_empty_body() -> None:
    assert JsonRenderer().render(None) == b""


@pytest.mark.django_db
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/json",
        "application/json, text/plain, */*",
        "text/*;q=0.5, */*;q=0.1",
    ],
)
def test_clients_that_accept_json_get_it(public_key: Issued, accept: str | None) -> None:
    answer = _ask(api(public_key), accept)
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()["kind"]) == (
        200,
        "application/json",
        "public",
    )


@pytest.mark.django_db
def test_indented_json_is_available(public_key: Issued) -> None:
    assert b'\n  "kind": "public"' in _ask(api(public_key), "application/json; indent=2").content


@pytest.mark.django_db
def test_a_client_that_does_not_accept_json_gets_406(public_key: Issued) -> None:
    assert _ask(api(public_key), "text/html").status_code == 406


def _ask(client: APIClient, accept: str | None) -> Any:
    return client.get("/api/v1/whoami", headers={"Accept": accept} if accept is not None else {})
