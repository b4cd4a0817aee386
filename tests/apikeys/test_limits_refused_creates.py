"""A create that is refused for its body or its scopes does not use up the limit of new keys."""

from typing import Any

import pytest
from pytest_django import Settings

from config.lib.rates import Rate
from tenants.models import User
from tests.apikeys.test_keys_api import create
from tests.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "refused",
    [
        {"name": ""},
        {"scopes": ["read:nothing"]},
        {"scopes": ["write:policies"]},
        {"scopes": ["admin"], "owner": "organization"},
        {"expires_in_days": 7},
    ],
)
def test_refused_create_leaves_the_limit_alone(
    refused: dict[str, Any], bob: User, settings: Settings
) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"issue": Rate(2, 60)}
    bobs = client_of(bob)
    for _ in range(3):
        assert create(bobs, **refused).status_code in {403, 422}
    assert [create(bobs).status_code for _ in range(3)] == [201, 201, 429]
