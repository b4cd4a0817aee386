"""Origins as browsers write them in the `Origin` header (RFC 6454)."""

import re
from urllib.parse import urlsplit

_ORIGIN = re.compile(
    r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"
)
_USUAL_PORTS = {"http": 80, "https": 443}
_MOST_PORT = 65535


def is_origin(text: str) -> bool:
    """Return whether a browser can send exactly this text as an origin.

    It is compared byte for byte, so a spelling that no browser uses would never match: a path, a
    capital letter or the scheme's usual port.
    """
    if _ORIGIN.fullmatch(text) is None:
        return False
    parts = urlsplit(text)
    port = int(text.rpartition(":")[2]) if parts.netloc.rpartition("]")[2].count(":") else None
    return port is None or (port <= _MOST_PORT and port != _USUAL_PORTS[parts.scheme])
