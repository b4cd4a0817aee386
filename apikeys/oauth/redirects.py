"""Redirect URIs: which ones can be registered, and how parameters are added. Pure."""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

LENGTH = 1024
# Lowercase ASCII hosts only, so that one address has one spelling; no user and no fragment (RFC
# 6749, 3.1.2). Plain HTTP only on the user's own machine, where no network can read the code (RFC
# 8252, 7.3).
_ACCEPTABLE = re.compile(
    r"(?:https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|http://(?:localhost|127\.0\.0\.1|\[::1\]))"
    r"(?::[1-9][0-9]{0,4})?"
    r"(?:/[A-Za-z0-9._~!$&()*+,;=:@%/-]*)?"
    r"(?:\?[A-Za-z0-9._~!$&()*+,;=:@%/?-]*)?\Z",
    re.ASCII,
)


def is_acceptable(uri: str) -> bool:
    if len(uri) > LENGTH or not _ACCEPTABLE.match(uri):
        return False
    parts = urlsplit(uri)
    try:
        in_range = parts.port is None or parts.port < 65536
    except ValueError:
        return False
    return in_range and not any(segment in {".", ".."} for segment in parts.path.split("/"))


def origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def with_parameters(uri: str, **parameters: str) -> str:
    """Add parameters to the address, replacing any of the same name in it.

    Otherwise an address registered as `…?code=x` would carry two codes, and the application could
    read the wrong one.
    """
    parts = urlsplit(uri)
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in parameters
    ]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()])))
