import pytest
import requests

from config.serving.content_type import is_allowed
from tests.servers.keyway import KeywayServer

GOOD = [
    "",
    "application/json",
    "application/json; charset=utf-8",
    'text/csv;charset="UTF-8"; header=present',
    "multipart/form-data; boundary=x",
]
BAD = [
    "x; charset=bz2_codec",
    "x; charset=rot13",
    "x;charset=undefined",
    "x; charset*=bogus''x",
    "x; charset=utf-16",
    "x; charset=",
]


@pytest.mark.parametrize("content_type", GOOD)
def test_utf_8_and_no_charset_are_allowed(content_type: str) -> None:
    assert is_allowed(content_type)


@pytest.mark.parametrize("content_type", BAD)
def test_every_other_charset_is_refused(content_type: str) -> None:
    assert not is_allowed(content_type)


@pytest.mark.server
@pytest.mark.parametrize(
    "path", ["/accounts/login/?a=b", "/api/v1/whoami?a=b", "/api/v1/agent/events?a=b"]
)
@pytest.mark.parametrize("content_type", BAD)
def test_an_unsupported_charset_is_415_at_any_address(
    path: str, content_type: str, keyway: KeywayServer
) -> None:
    assert (
        requests.post(
            keyway.url + path, headers={"Content-Type": content_type}, data=b"{}", timeout=10
        ).status_code
        == 415
    )
