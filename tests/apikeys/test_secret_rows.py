"""Reading several secrets in one query gives the same rows as reading each by itself."""

from collections.abc import Callable

import pytest

from apikeys.models import Secret
from apikeys.services import Issued
from apikeys.verify.secret_rows import read

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_batch_read_equals_single_reads(
    count: int, issue_public_key: Callable[..., Issued], globex_public_key: Issued
) -> None:
    for number in range(count - 1):
        issue_public_key(
            name=f"key {number}", scopes=("read:audit-activity", "read:policies")[: 1 + number % 2]
        )
    lookups = list(Secret.objects.values_list("lookup", flat=True))
    assert len(lookups) == count
    rows = read([*lookups, -1])
    assert rows == {lookup: read([lookup])[lookup] for lookup in lookups}
    assert {row.organization.slug for row in rows.values()} == {
        "globex",
        *(["acme"] if count > 1 else []),
    }
    assert read([-1]) == {}
    assert read([-1, -2, -3]) == {}
