"""Django's admin at its edges: what it is asked for that is not there is a 404, whatever it is called."""

import pytest
from django.contrib.contenttypes.models import ContentType

from tenants.models import Agent, User
from tests.conftest import client_of


@pytest.mark.parametrize("odd", ["1", "x", "0199f3a2", "é", "None", "_5F"])
def test_an_odd_id_is_never_an_error_of_the_server(staff: User, odd: str) -> None:
    """Django's redirect to an object's own page takes it for a UUID, and fails; so it is not offered at all."""
    browser = client_of(staff)
    browser.raise_request_exception = False
    kind = ContentType.objects.get_for_model(Agent).pk
    assert browser.get(f"/admin/r/{kind}/{odd}/").status_code == 404
    for page in ("change", "history", "delete"):
        assert browser.get(f"/admin/tenants/agent/{odd}/{page}/", follow=True).status_code in {200, 403, 404}
