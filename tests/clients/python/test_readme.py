"""The README's code runs unchanged, from top to bottom, against a real Keyway."""

import importlib.util
import re
from typing import Any

import httpx2
import keyway as sdk
import pytest

from tests.clients.python.conftest import SDK
from tests.servers.keyway import KeywayServer

README = (SDK / "README.md").read_text()
BLOCKS = re.findall(r"^```python ?(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.server
def test_readme_code_runs(
    keyway: KeywayServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bob = keyway.user("bob")
    login = {"email": bob["email"], "password": bob["password"]}
    token = httpx2.post(f"{keyway.url}/api/v1/auth/login", json=login).json()["access_token"]
    monkeypatch.setenv("KEYWAY_BASE_URL", keyway.url)
    monkeypatch.setenv("KEYWAY_API_KEY", keyway.key(kind="public", environment="live")["secret"])
    monkeypatch.setenv("KEYWAY_AGENT_KEY", keyway.key(kind="agent", environment="live")["secret"])
    monkeypatch.setenv("KEYWAY_TOKEN", token)
    namespace: dict[str, Any] = {"__name__": "readme"}
    for needs, code in BLOCKS:
        if not needs or importlib.util.find_spec(needs):
            exec(compile(code, "README.md", "exec", dont_inherit=True), namespace)
        if client := namespace.pop("client", None):
            client.close()  # as at the end of a program
    namespace["verifier"].close()
    printed = capsys.readouterr().out
    assert "Acme live ('read:audit-activity',)" in printed
    assert "invalid_key" in printed
    assert "No request is accepted after 2" in printed
    assert str(namespace["secret"]) not in printed


def test_readme_documents_every_error() -> None:
    errors = {
        name
        for name, each in vars(sdk).items()
        if isinstance(each, type) and issubclass(each, sdk.KeywayError)
    }
    table = README[README.index("| class | when |") :].partition("\n\n")[0]
    assert set(re.findall(r"`([A-Z]\w+)`", table)) == errors - {"KeywayError", "ApiError"}
