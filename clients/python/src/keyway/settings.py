"""Resolve server and credential from arguments, then KEYWAY_API_KEY and KEYWAY_BASE_URL."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from keyway.errors import Misconfigured
from keyway.secret import Secret


@dataclass(frozen=True, slots=True)
class Server:
    """`url` has no trailing slash."""

    url: str

    @property
    def is_encrypted(self) -> bool:
        return self.url.startswith("https:")


@dataclass(frozen=True, slots=True)
class Credential:
    """A key, sent in X-API-Key, or a token, sent as Authorization: Bearer."""

    secret: Secret
    is_token: bool = False

    @property
    def header(self) -> tuple[str, str]:
        if self.is_token:
            return "Authorization", f"Bearer {self.secret.reveal()}"
        return "X-API-Key", self.secret.reveal()

    def conceal(self, body: bytes) -> bytes:
        """Mask the secret in an error body: a proxy or debug page may echo the request."""
        return body.replace(self.secret.reveal().encode(), b"***")


def credential(
    api_key: str | Secret | None, token: str | Secret | None, environ: Mapping[str, str]
) -> Credential:
    """Return the credential to present. Raises Misconfigured."""
    if api_key is not None and token is not None:
        raise Misconfigured("Pass api_key or token, not both.")
    if token is not None:
        return Credential(_presentable("The token", token), is_token=True)
    found = api_key if api_key is not None else environ.get("KEYWAY_API_KEY")
    if found is None:
        raise Misconfigured("No credential. Pass api_key= or token=, or set KEYWAY_API_KEY.")
    return Credential(_presentable("The key", found))


def server(base_url: str | None, environ: Mapping[str, str], *, allow_plain_http: bool) -> Server:
    """Return the server. Raises Misconfigured, never quoting the URL: it may hold a password."""
    url = base_url or environ.get("KEYWAY_BASE_URL")
    if not url:
        raise Misconfigured(
            "No server. Pass base_url= or set KEYWAY_BASE_URL, such as https://keyway.example."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if (
        host is None
        or port == 0
        or parts.scheme not in {"http", "https"}
        or not (url.isascii() and url.isprintable())
    ):
        raise Misconfigured("The base URL must be a URL such as https://keyway.example.")
    if parts.username or parts.password or parts.query or parts.fragment or " " in url:
        raise Misconfigured("The base URL may have only a scheme, host, port and path.")
    if parts.scheme == "http" and not (allow_plain_http or is_loopback(host)):
        raise Misconfigured(
            "http would send the credential in clear text. Use https or pass allow_plain_http=True."
        )
    return Server(url.rstrip("/"))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_presentable(text: str) -> bool:
    """Whether the text is a valid header value.

    Check before sending: the HTTP client's own error would quote the secret.
    """
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _presentable(name: str, given: str | Secret) -> Secret:
    secret = given if isinstance(given, Secret) else Secret(given.strip())
    if not is_presentable(secret.reveal()):
        raise Misconfigured(f"{name} is empty or malformed. Copy all of it, without spaces.")
    return secret
