"""Client of Keyway's agent API, with one connection per request.

The key is sent in one header and never appears in an error.
"""

import gzip
import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from keyway_agent import __version__
from keyway_agent.answers import UnexpectedAnswer, Unreachable, printable, raise_for_answer
from keyway_agent.errors import Misconfigured
from keyway_agent.settings import Settings

TIMEOUT_SECONDS = 60
_ANSWER_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Parse the body. Raises UnexpectedAnswer if it is not a JSON object."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise UnexpectedAnswer(
                f"The server answered {self.status} without a JSON object. Check ServerUrl"
            )
        return content


class Server:
    """Every method raises an error of keyway_agent.answers unless the request succeeds."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.server_url)
        self._address, self._port = parts.hostname or "", parts.port
        self._path = parts.path.rstrip("/")
        self._key = settings.api_key
        self._tls = _tls(settings.ca_file) if parts.scheme == "https" else None

    def whoami(self) -> dict[str, Any]:
        return self._ask("GET", "/api/v1/whoami").json()

    def send(self, lines: bytes) -> dict[str, Any]:
        """Send events as NDJSON and return the verdicts."""
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        return self._ask(
            "POST", "/api/v1/agent/events", gzip.compress(lines, 6, mtime=0), headers
        ).json()

    def heartbeat(self, beat: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        return self._ask(
            "POST", "/api/v1/agent/heartbeat", json.dumps(beat).encode(), headers
        ).json()

    def configuration(self, etag: str) -> tuple[dict[str, Any], str] | None:
        """Return the configuration and its ETag, or None if it still matches `etag`."""
        answer = self._ask(
            "GET", "/api/v1/agent/config", headers={"If-None-Match": etag} if etag else {}
        )
        return None if answer.status == 304 else (answer.json(), answer.headers.get("etag", ""))

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {
            "X-API-Key": self._key.reveal(),
            "User-Agent": f"keyway-agent/{__version__}",
            "Accept": "application/json",
        }
        # http.client does not follow redirects, and it must stay so: following one would hand the
        # key to whatever host the Location header names.
        connection = self._connection()
        try:
            connection.request(method, self._path + path, body, sent | (headers or {}))
            response = connection.getresponse()
            content = response.read(_ANSWER_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(
                f"{self._address}: {printable(str(error)) or type(error).__name__}"
            ) from error
        finally:
            connection.close()
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, content
        )
        raise_for_answer(answer.status, answer.headers, answer.body)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection(
                self._address, self._port, timeout=TIMEOUT_SECONDS, context=self._tls
            )
        return http.client.HTTPConnection(self._address, self._port, timeout=TIMEOUT_SECONDS)


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise Misconfigured(f"CaFile: {ca_file}: {error.strerror or error}.") from error
