"""Read request bodies within a size limit, before and after decompression.

Replaces the readers of Django and DRF. Those support neither compression nor chunked bodies, and
decode with any codec that the caller names as charset, decompressors included (CVE-2026-114136).
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from django.http import HttpRequest
from gunicorn.http.errors import ParseException

from config.lib import strict_json
from config.lib.problems import ApiProblem
from config.lib.strict_json import Malformed, Pairs

Form = TypeVar("Form", bound=msgspec.Struct)

JSON = "application/json"
NDJSON = "application/x-ndjson"
MOST_BYTES = 64 * 1024
_GZIP = 31  # zlib's wbits: a gzip header and nothing else


@dataclass(frozen=True, slots=True)
class Accepted:
    """Describe the bodies that a call accepts.

    `malformed` and `too_large` are the problem codes for an unreadable body and for one of more
    than `limit` bytes. `inflates` allows gzip.
    """

    media_types: tuple[str, ...]
    limit: int
    malformed: str
    too_large: str
    inflates: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    media_type: str
    content: bytes


def has_body(meta: Mapping[str, Any]) -> bool:
    """Return whether the request has a body, for calls where it is optional."""
    return _length(meta) != 0


def read(request: HttpRequest, form: type[Form], *, limit: int = MOST_BYTES) -> Form:
    """Read a JSON object as `form`. Raises ApiProblem like `parse` and `fill`."""
    return fill(parse(request, limit=limit), form)


def parse(request: HttpRequest, *, limit: int = MOST_BYTES) -> Pairs:
    """Read a JSON object and keep duplicate keys.

    Raises ApiProblem: `malformed_body`, `body_too_large` or `unsupported_media_type`.
    """
    accepted = Accepted((JSON,), limit, malformed="malformed_body", too_large="body_too_large")
    try:
        parsed = strict_json.parse(read_body(request, accepted).content)
    except Malformed as error:
        raise ApiProblem("malformed_body", str(error)) from error
    if not isinstance(parsed, Pairs):
        raise ApiProblem("malformed_body", "The body is not a JSON object.")
    return parsed


def fill(pairs: Pairs, form: type[Form]) -> Form:
    """Convert an object to `form`. Raises ApiProblem `validation_failed` with every error by field.

    A duplicate field is `malformed_body`. Keeping one of the two values would hide the other from
    a proxy or a log that keeps the other one.
    """
    made = strict_json.read_all(pairs, form)
    if not isinstance(made, list):
        return made
    errors: dict[str, list[str]] = {}
    for flaw in made:
        if flaw.code == "duplicate_field":
            raise ApiProblem("malformed_body", flaw.detail)
        errors.setdefault(flaw.field or "body", []).append(flaw.detail)
    raise ApiProblem("validation_failed", errors=errors)


def read_body(request: HttpRequest, accepted: Accepted) -> Body:
    """Read the whole body once. Raises ApiProblem."""
    # Check the headers first, so that a body of the wrong type is refused before any of it is read.
    media_type = _media_type(request.META.get("CONTENT_TYPE", ""), accepted)
    is_gzip = _is_gzip(request.META.get("HTTP_CONTENT_ENCODING", ""), accepted)
    content = _read(request, accepted)
    return Body(media_type, _inflate(content, accepted) if is_gzip else content)


def _media_type(header: str, accepted: Accepted) -> str:
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [parameter for parameter in parameters if parameter.startswith("charset")]
    if media_type not in accepted.media_types or any(charset not in _UTF_8 for charset in charsets):
        raise ApiProblem(
            "unsupported_media_type", headers={"Accept": ", ".join(accepted.media_types)}
        )
    return media_type


# Never decode with the caller's charset. Python's codecs include decompressors without a limit.
_UTF_8 = {"charset=utf-8", 'charset="utf-8"'}


def _is_gzip(header: str, accepted: Accepted) -> bool:
    coding = header.strip().lower()
    if coding in {"", "identity"}:
        return False
    if coding == "gzip" and accepted.inflates:
        return True
    # RFC 7694 asks for the encodings that would have been accepted.
    raise ApiProblem(
        "unsupported_media_type",
        headers={"Accept-Encoding": "gzip" if accepted.inflates else "identity"},
    )


def _read(request: HttpRequest, accepted: Accepted) -> bytes:
    length = _length(request.META)
    # Refuse by Content-Length before reading, so that an oversized body never reaches memory.
    if length is not None and length > accepted.limit:
        raise ApiProblem(accepted.too_large)
    try:
        if length is None:
            # A chunked body has no length, so Django's stream would be empty. The server's own
            # stream ends with the body. One byte over the limit shows a body that is too large.
            content: bytes = request.META["wsgi.input"].read(accepted.limit + 1)
        else:
            content = request.read(length)
    except (OSError, ParseException) as error:
        raise ApiProblem(accepted.malformed, "The body could not be read completely.") from error
    if len(content) > accepted.limit:
        raise ApiProblem(accepted.too_large)
    if length is not None and len(content) < length:
        raise ApiProblem(accepted.malformed, "The body is shorter than its Content-Length.")
    return content


def _length(meta: Mapping[str, Any]) -> int | None:
    """Return Content-Length, or None for a chunked body that the server delimits."""
    if "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower() and meta.get(
        "wsgi.input_terminated"
    ):
        return None
    try:
        return max(int(meta.get("CONTENT_LENGTH") or 0), 0)
    except ValueError:
        return 0


def _inflate(content: bytes, accepted: Accepted) -> bytes:
    """Inflate one gzip member and stop one byte past the limit, so that a bomb costs no memory."""
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(content, accepted.limit + 1)
    except zlib.error as error:
        raise ApiProblem(accepted.malformed, "The body is not gzip.") from error
    if len(plain) > accepted.limit:
        raise ApiProblem(accepted.too_large)
    if not inflater.eof:
        raise ApiProblem(accepted.malformed, "The gzip stream is incomplete.")
    # Allow exactly one member. Inflating half a million empty ones would take minutes.
    if inflater.unused_data:
        raise ApiProblem(accepted.malformed, "The gzip stream is followed by other data.")
    return plain
