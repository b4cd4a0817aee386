"""Excuses for refusals that Schemathesis reports although they are right.

The request matched the schema, and no schema can express why it is refused. Each excuse is for one
error code and examines the request and the response. Anything it does not recognize is a finding.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

Body = dict[str, Any]

_SENTENCES = re.compile(
    # Defined by Unicode categories, for which there is no portable pattern.
    r"Remove invisible and control characters\."
    r"|Enter a name\."  # a name of spaces only
    r"|Entry \d+ is not a network such as 192\.0\.2\.0/24 or 2001:db8::/32, "
    r"with no bits set after the prefix\."
    r"|The expiry must be in the future and within ten years\."
)
# These depend on stored rows and on the clock.
_EVENTS = {"conflicting_event", "time_in_future", "time_too_early"}


def excuse(check: str, interaction: Any) -> str:
    """Return why the failed check is no finding, or "" if it is one."""
    body = _json_of(interaction.response)
    code = str(body.get("code") or body.get("error") or "")
    # Credentials are checked before the method, so that even an unsupported one gets this error.
    if check == "negative_data_rejection" and "accepted" in body and body["rejected"]:
        return "a batch whose good events were stored, and whose bad ones were refused one by one"
    if check == "positive_data_acceptance" or (check, code) == (
        "unsupported_method",
        "several_credentials",
    ):
        words, is_right = _EXCUSES.get(code, ("", _never))
        return words if is_right(interaction.request, body) else ""
    return ""


def _never(request: Any, body: Body) -> bool:
    return False


def _json_of(response: Any) -> Body:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _has_several_credentials(request: Any, body: Body) -> bool:
    """Schemathesis presents one credential of each scheme. A comma joins repeated headers."""
    key = _header(request, "X-API-Key")
    return key is not None and ("," in key or _header(request, "Authorization") is not None)


def _has_a_cursor(request: Any, body: Body) -> bool:
    return bool(parse_qs(urlsplit(request.uri).query).get("cursor"))


def _has_an_idempotency_key(request: Any, body: Body) -> bool:
    return bool(_header(request, "Idempotency-Key"))


def _has_known_sentences_only(request: Any, body: Body) -> bool:
    sentences = [sentence for each in body["errors"].values() for sentence in each]
    return bool(sentences) and all(_SENTENCES.fullmatch(sentence) for sentence in sentences)


def _has_known_event_errors_only(request: Any, body: Body) -> bool:
    return bool(body["rejected"]) and {each["code"] for each in body["rejected"]} <= _EVENTS


def _authenticates_twice(request: Any, body: Body) -> bool:
    return _header(request, "Authorization") is not None and _sends(
        request, b"client_id=", b"client_secret="
    )


def _sends(request: Any, *names: bytes) -> bool:
    return any(name in (request.body or b"") for name in names)


def _header(request: Any, name: str) -> str | None:
    values = next(
        (values for key, values in request.headers.items() if key.lower() == name.lower()), None
    )
    return values[0] if values else None


_EXCUSES: dict[str, tuple[str, Callable[[Any, Body], bool]]] = {
    "several_credentials": ("several credentials at once", _has_several_credentials),
    "invalid_cursor": ("a made-up cursor", _has_a_cursor),
    "idempotency_key_reused": ("the Idempotency-Key of another request", _has_an_idempotency_key),
    "validation_failed": (
        "invisible text, a blank name, no network, or a past time",
        _has_known_sentences_only,
    ),
    "invalid_batch": ("events already stored or out of range", _has_known_event_errors_only),
    "invalid_grant": (
        "a made-up code or refresh token",
        lambda request, body: _sends(request, b"code=", b"refresh_token="),
    ),
    "invalid_scope": (
        "a scope that is not the application's",
        lambda request, body: _sends(request, b"scope="),
    ),
    "unauthorized_client": (
        "a grant that is not the application's",
        lambda request, body: _sends(request, b"grant_type="),
    ),
    "invalid_request": ("a client authenticated in two ways", _authenticates_twice),
}
