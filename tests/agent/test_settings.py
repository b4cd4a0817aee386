import json
import pickle
from pathlib import Path

import pytest
from keyway_agent.__main__ import main
from keyway_agent.errors import Misconfigured
from keyway_agent.postgresql import LogSettings
from keyway_agent.settings import load, parse

SECRET = "ak_live_abcdefghijklmnopqrstuvwxyz012345"
LOG = {"Type": "postgresql-csvlog", "Path": "/var/log/postgresql"}
GOOD: dict[str, object] = {
    "ServerUrl": "https://keyway.example/",
    "AgentApiKey": SECRET,
    "Host": "db1",
    "StateDirectory": "/var/lib/keyway-agent",
    "Source": LOG,
}


def changed(**fields: object) -> str:
    return json.dumps({name: value for name, value in (GOOD | fields).items() if value is not ...})


def source(**fields: object) -> str:
    return changed(
        Source={name: value for name, value in (LOG | fields).items() if value is not ...}
    )


def test_valid_configuration_is_read() -> None:
    read = parse(changed())
    assert (read.server_url, read.host, read.api_key.reveal()) == (
        "https://keyway.example",
        "db1",
        SECRET,
    )
    assert read.source == LogSettings(Path("/var/log/postgresql"), "", "db1", from_end=False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON: Expecting value, line 1"),
        ("[]", "The configuration must be an object"),
        ("[" * 100_000, "not JSON: nested too deeply"),
        ('{"Host": "a", "Host": "b"}', "a field twice"),
        (changed(AgentApiKey=...), "AgentApiKey: missing"),
        (changed(AgentApiKey=""), "AgentApiKey: must be a non-empty string"),
        (changed(AgentApiKey=7), "AgentApiKey: must be a non-empty string"),
        (changed(AgentApiKey=SECRET + "\n"), "AgentApiKey: not a valid key"),
        (changed(AgentApiKey=SECRET + "é"), "AgentApiKey: not a valid key"),
        (changed(ServerUrl="keyway.example"), "ServerUrl: must be a URL such as"),
        (changed(ServerUrl="ftp://keyway.example"), "ServerUrl: must be a URL such as"),
        (changed(ServerUrl="https://keyway.example:x"), "ServerUrl: not a valid URL"),
        (
            changed(ServerUrl="https://u:p@keyway.example"),
            "ServerUrl: may have only a scheme, host, port and path",
        ),
        (changed(ServerUrl="http://keyway.example"), "would send the key in clear text"),
        (changed(Host="h" * 257), "Host: must have 1 to 256"),
        (changed(StateDirectory=...), "StateDirectory: missing"),
        (changed(AgentAPIKey="x"), "AgentAPIKey: unknown field"),
        (changed(AllowPlainHttp="yes"), "AllowPlainHttp: must be true or false"),
        (changed(Source=...), "Source must be an object"),
        (source(Type="oracle"), "Source.Type"),
        (source(Path=...), "Source.Path: missing"),
        (source(StartAt="now"), "Source.StartAt"),
        (source(Tpye="x"), "Source.Tpye: unknown field"),
        (
            changed(Source={"Type": "simulate", "EventsPerSecond": 0}),
            "EventsPerSecond: must be more than 0",
        ),
        (
            changed(Source={"Type": "simulate", "EventsPerSecond": "2"}),
            "Source.EventsPerSecond: must be a number",
        ),
    ],
)
def test_invalid_configuration_is_refused_with_a_reason(content: str, reason: str) -> None:
    assert parse(changed())
    with pytest.raises(Misconfigured) as refusal:
        parse(content)
    assert reason in str(refusal.value)
    assert SECRET not in f"{refusal.value!r} {refusal.value.__cause__!r}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"])
def test_plain_http_is_limited_to_loopback(url: str) -> None:
    assert parse(changed(ServerUrl=url)).server_url == url
    assert parse(changed(ServerUrl="http://keyway.example", AllowPlainHttp=True))


def test_key_is_hidden_in_repr_and_pickle() -> None:
    read = parse(changed())
    assert SECRET not in f"{read!r} {read} {read.api_key} {read.api_key!r}"
    with pytest.raises(TypeError):
        pickle.dumps(read.api_key)


def test_world_readable_file_causes_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "agent.json"
    file.write_text(changed())
    file.chmod(0o640)
    assert load(file).warnings == ()
    file.chmod(0o644)
    (warning,) = load(file).warnings
    assert "chmod o=" in warning


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{}"])
def test_unusable_configuration_exits_with_78(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "agent.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["--config", str(file)]) == 78
