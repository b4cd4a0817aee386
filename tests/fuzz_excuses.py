"""What Schemathesis takes for wrong and is right: it sent what the schema allows, and no schema can say why not.

Each excuse is for one code, and looks at what was asked and told. Whatever it does not know is a finding.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

Told = dict[str, Any]

_SENTENCES = re.compile(
    r"Remove the invisible or control characters\."  # by Unicode's categories, for which there is no portable pattern
    r"|Enter a name\."  # not of spaces alone
    r"|Entry \d+ is not a network such as 192\.0\.2\.0/24 or 2001:db8::/32, with no bits set after the prefix\."
    r"|The expiry has to be in the future, and within ten years\."
)
# What is stored already, and what the clock says.
_EVENTS = {"conflicting_event", "time_in_future", "time_too_early"}


def excuse(check: str, interaction: Any) -> str:
    """Why a check that failed found nothing wrong. Empty: it did find something."""
    told = _read(interaction.response)
    code = str(told.get("code") or told.get("error") or "")
    # Who asks is judged before what they ask, be it a method that is not taken.
    if check == "negative_data_rejection" and "accepted" in told and told["rejected"]:
        return "a batch whose good events were stored, and whose bad ones were refused one by one"
    if check == "positive_data_acceptance" or (check, code) == (
        "unsupported_method",
        "several_credentials",
    ):
        words, is_right = _EXCUSES.get(code, ("", _never))
        return words if is_right(interaction.request, told) else ""
    return ""


def _never(request: Any, told: Told) -> bool:
    return False


def _read(response: Any) -> Told:
    try:
        told = json.loads(response.content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _has_several_credentials(request: Any, told: Told) -> bool:
    """Schemathesis presents one of each scheme, where an operation takes any one; and a comma joins repeated headers."""
    key = _header(request, "X-API-Key")
    return key is not None and ("," in key or _header(request, "Authorization") is not None)


def _has_a_cursor(request: Any, told: Told) -> bool:
    return bool(parse_qs(urlsplit(request.uri).query).get("cursor"))


def _has_an_idempotency_key(request: Any, told: Told) -> bool:
    return bool(_header(request, "Idempotency-Key"))


def _is_told_by_sentence(request: Any, told: Told) -> bool:
    sentences = [sentence for each in told["errors"].values() for sentence in each]
    return bool(sentences) and all(_SENTENCES.fullmatch(sentence) for sentence in sentences)


def _is_of_times_and_ids(request: Any, told: Told) -> bool:
    return bool(told["rejected"]) and {each["code"] for each in told["rejected"]} <= _EVENTS


def _authenticates_twice(request: Any, told: Told) -> bool:
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


_EXCUSES: dict[str, tuple[str, Callable[[Any, Told], bool]]] = {
    "several_credentials": ("several credentials at once", _has_several_credentials),
    "invalid_cursor": ("a made-up cursor", _has_a_cursor),
    "idempotency_key_reused": ("the Idempotency-Key of another request", _has_an_idempotency_key),
    "validation_failed": (
        "invisible text, a blank name, no network, or a time that is past",
        _is_told_by_sentence,
    ),
    "invalid_batch": ("events that are stored already or out of time", _is_of_times_and_ids),
    "invalid_grant": (
        "a made-up code or refresh token",
        lambda request, told: _sends(request, b"code=", b"refresh_token="),
    ),
    "invalid_scope": (
        "a scope that is not the application's",
        lambda request, told: _sends(request, b"scope="),
    ),
    "unauthorized_client": (
        "a grant that is not the application's",
        lambda request, told: _sends(request, b"grant_type="),
    ),
    "invalid_request": ("a client authenticated in two ways", _authenticates_twice),
}
