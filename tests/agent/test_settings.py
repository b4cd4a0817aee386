import json
import pickle
from pathlib import Path

import pytest
from keyway_agent.__main__ import main
from keyway_agent.errors import Misconfigured
from keyway_agent.settings import LogSettings, load, parse

SECRET = "ak_live_abcdefghijklmnopqrstuvwxyz012345"
GOOD = {
    "ServerUrl": "https://keyway.example/",
    "AgentApiKey": SECRET,
    "Host": "db1",
    "StateDirectory": "/var/lib/keyway-agent",
    "Source": {"Type": "postgresql-csvlog", "Path": "/var/log/postgresql"},
}


def changed(**fields: object) -> str:
    return json.dumps({name: value for name, value in (GOOD | fields).items() if value is not ...})


def source(**fields: object) -> str:
    return changed(
        Source={
            name: value for name, value in (GOOD["Source"] | fields).items() if value is not ...
        }
    )  # type: ignore[operator]


def test_good_configuration_is_read() -> None:
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
        ("", "not JSON: Expecting value in line 1"),
        ("[]", "The configuration: an object"),
        ("[" * 100_000, "not JSON"),
        ('{"Host": "a", "Host": "b"}', "a field twice"),
        (changed(AgentApiKey=...), "AgentApiKey: missing"),
        (changed(AgentApiKey=""), "AgentApiKey: a text"),
        (changed(AgentApiKey=7), "AgentApiKey: a text"),
        (changed(AgentApiKey=SECRET + "\n"), "AgentApiKey: not a key"),
        (changed(AgentApiKey=SECRET + "é"), "AgentApiKey: not a key"),
        (changed(ServerUrl="keyway.example"), "ServerUrl: an address such as"),
        (changed(ServerUrl="ftp://keyway.example"), "ServerUrl: an address such as"),
        (changed(ServerUrl="https://keyway.example:x"), "ServerUrl: not an address"),
        (
            changed(ServerUrl="https://u:p@keyway.example"),
            "ServerUrl: scheme, host, port and path only",
        ),
        (changed(ServerUrl="http://keyway.example"), "would send the key in clear"),
        (changed(Host="h" * 257), "Host: 1 to 256"),
        (changed(StateDirectory=...), "StateDirectory: missing"),
        (changed(AgentAPIKey="x"), "AgentAPIKey: no such field"),
        (changed(AllowPlainHttp="yes"), "AllowPlainHttp: true or false"),
        (changed(Source=...), "Source: an object"),
        (source(Type="oracle"), "Source.Type"),
        (source(Path=...), "Source.Path: missing"),
        (source(StartAt="now"), "Source.StartAt"),
        (source(Tpye="x"), "Source.Tpye: no such field"),
        (
            changed(Source={"Type": "simulate", "EventsPerSecond": 0}),
            "EventsPerSecond: more than 0",
        ),
        (
            changed(Source={"Type": "simulate", "EventsPerSecond": "2"}),
            "Source.EventsPerSecond: a number",
        ),
    ],
)
def test_bad_configuration_is_refused_in_clear_words(content: str, reason: str) -> None:
    assert parse(changed())
    with pytest.raises(Misconfigured) as refusal:
        parse(content)
    assert reason in str(refusal.value)
    assert SECRET not in f"{refusal.value!r} {refusal.value.__cause__!r}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"])
def test_plain_http_is_for_this_machine(url: str) -> None:
    assert parse(changed(ServerUrl=url)).server_url == url
    assert parse(changed(ServerUrl="http://keyway.example", AllowPlainHttp=True))


def test_key_shows_itself_nowhere() -> None:
    read = parse(changed())
    assert SECRET not in f"{read!r} {read} {read.api_key} {read.api_key!r}"
    with pytest.raises(TypeError):
        pickle.dumps(read.api_key)


def test_file_open_to_others_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "agent.json"
    file.write_text(changed())
    file.chmod(0o640)
    assert load(file).warnings == ()
    file.chmod(0o644)
    (warning,) = load(file).warnings
    assert "chmod o=" in warning


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{}"])
def test_command_line_ends_with_78_for_a_configuration_that_cannot_be_used(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "agent.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["--config", str(file)]) == 78
