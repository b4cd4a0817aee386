"""Error pages say what happened and how to report it."""

from django.test import Client, RequestFactory

from config.lib import logs
from config.pages import errors


def test_500_page_shows_the_request_id_of_its_answer() -> None:
    given = {"HTTP_X_REQUEST_ID": "5937-abcdef"}
    request_id = logs.begin_request(given, is_proxied=True)
    response = errors.server_error(RequestFactory().get("/profile/"))
    assert response.status_code == 500
    assert request_id == "5937-abcdef"
    assert f"<code>{request_id}</code>" in response.content.decode()


def test_error_list_shows_code_without_backticks() -> None:
    html = Client().get("/docs/errors/").content.decode()
    assert "Also send <code>code</code>" in html
    assert "`" not in html
