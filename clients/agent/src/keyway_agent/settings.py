"""Parse and validate agent.json."""

import json
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keyway_agent.errors import Misconfigured
from keyway_agent.postgresql import LogSettings

CSVLOG, SIMULATE = "postgresql-csvlog", "simulate"
HOST_LIMIT = 256
DEFAULT_RATE = 2.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ApiKey:
    """The agent key. Only reveal() returns it; ``repr``, ``str`` and pickling do not."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "ApiKey(***)"

    def __reduce__(self) -> str:
        raise TypeError("An API key cannot be pickled.")


@dataclass(frozen=True, slots=True)
class Simulation:
    events_per_second: float = DEFAULT_RATE


@dataclass(frozen=True, slots=True)
class Settings:
    server_url: str
    api_key: ApiKey
    host: str
    state_directory: Path
    source: LogSettings | Simulation
    ca_file: str = ""
    warnings: tuple[str, ...] = field(default=())


def load(path: Path) -> Settings:
    """Read the configuration file. Raises Misconfigured, which never quotes a value."""
    try:
        mode = path.stat().st_mode
        content = path.read_text("utf-8")
    except OSError as error:
        raise Misconfigured(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not UTF-8.") from error
    settings = parse(content)
    if not mode & stat.S_IRWXO:
        return settings
    return _warned(
        settings,
        f"{path} contains the key and is accessible to every user. Run: chmod o= {path}",
    )


def parse(content: str) -> Settings:
    """Validate the file's text. Raises Misconfigured."""
    try:
        values = json.loads(content, object_pairs_hook=_once_each)
    except json.JSONDecodeError as error:
        raise Misconfigured(
            f"The configuration is not JSON: {error.msg}, line {error.lineno} column {error.colno}."
        ) from None  # the error's `doc` is the whole file, key included
    except RecursionError:
        raise Misconfigured("The configuration is not JSON: nested too deeply.") from None
    reader = _Reader(values, "")
    host = reader.text("Host", default=socket.gethostname())
    settings = Settings(
        server_url=_server_url(reader.text("ServerUrl"), allow_plain=reader.flag("AllowPlainHttp")),
        api_key=_api_key(reader.text("AgentApiKey")),
        host=host,
        state_directory=Path(reader.text("StateDirectory")),
        source=_source(reader.section("Source"), host),
        ca_file=reader.text("CaFile", default=""),
    )
    reader.refuse_the_rest()
    if not 0 < len(host) <= HOST_LIMIT:
        raise Misconfigured(f"Host: must have 1 to {HOST_LIMIT} characters.")
    return settings


def _source(reader: "_Reader", host: str) -> LogSettings | Simulation:
    kind = reader.text("Type")
    source: LogSettings | Simulation
    if kind == CSVLOG:
        start = reader.text("StartAt", default="beginning")
        if start not in {"beginning", "end"}:
            raise Misconfigured('Source.StartAt: must be "beginning" or "end".')
        source = LogSettings(
            path=Path(reader.text("Path")),
            zone=reader.text("TimeZone", default=""),
            instance=reader.text("InstanceName", default=host)[:HOST_LIMIT],
            from_end=start == "end",
        )
    elif kind == SIMULATE:
        source = simulation(reader.number("EventsPerSecond", default=DEFAULT_RATE))
    else:
        raise Misconfigured(f'Source.Type: must be "{CSVLOG}" or "{SIMULATE}".')
    reader.refuse_the_rest()
    return source


def simulation(events_per_second: float) -> Simulation:
    if not 0 < events_per_second <= 1000:
        raise Misconfigured("EventsPerSecond: must be more than 0 and at most 1000.")
    return Simulation(events_per_second)


def _server_url(url: str, *, allow_plain: bool) -> str:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        # `from None`: the ValueError may quote the URL, which may hold a password.
        raise Misconfigured("ServerUrl: not a valid URL.") from None
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or not port_is_fine
        or not url.isascii()
    ):
        raise Misconfigured("ServerUrl: must be a URL such as https://keyway.example.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Misconfigured("ServerUrl: may have only a scheme, host, port and path.")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_plain:
        raise Misconfigured(
            "ServerUrl: http would send the key in clear text. Use https, or set AllowPlainHttp to"
            " true."
        )
    return url.rstrip("/")


def _api_key(value: str) -> ApiKey:
    # Check here: http.client would quote an invalid header value, and so the key, in its error.
    if not value.isascii() or not value.isprintable() or " " in value:
        raise Misconfigured("AgentApiKey: not a valid key. Copy the whole key, without spaces.")
    return ApiKey(value)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise Misconfigured("The configuration contains a field twice.")
    return values


def _warned(settings: Settings, warning: str) -> Settings:
    return Settings(
        settings.server_url,
        settings.api_key,
        settings.host,
        settings.state_directory,
        settings.source,
        settings.ca_file,
        (*settings.warnings, warning),
    )


class _Reader:
    """Reads fields of a JSON object and tracks which were not read."""

    def __init__(self, values: object, path: str) -> None:
        if not isinstance(values, Mapping):
            raise Misconfigured(f"{path.rstrip('.') or 'The configuration'} must be an object.")
        self._values, self._path = dict(values), path

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.pop(name, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            flaw = "missing" if value is None else "must be a non-empty string"
            raise Misconfigured(f"{self._path}{name}: {flaw}.")
        return value

    def flag(self, name: str) -> bool:
        value = self._values.pop(name, False)
        if not isinstance(value, bool):
            raise Misconfigured(f"{self._path}{name}: must be true or false.")
        return value

    def number(self, name: str, default: float) -> float:
        value = self._values.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Misconfigured(f"{self._path}{name}: must be a number.")
        return value

    def section(self, name: str) -> "_Reader":
        return _Reader(self._values.pop(name, None), f"{self._path}{name}.")

    def refuse_the_rest(self) -> None:
        if self._values:
            raise Misconfigured(f"{self._path}{min(self._values)}: unknown field.")
