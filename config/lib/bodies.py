"""Request bodies, read within limits: never more into memory than a body may have, inflated or not.

Django's and DRF's own readers are not used. They know no compression, no chunked bodies, and take a
charset from the caller that may itself be a decompressor (CVE-2026-114136).
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
    """What a call takes. The two codes name the problems of a body that cannot be read, and of one past `limit` bytes."""

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
    """Whether the request has a body at all, for calls whose body is optional."""
    return _length(meta) != 0


def read(request: HttpRequest, form: type[Form], *, limit: int = MOST_BYTES) -> Form:
    """Read a JSON object as `form`. Raises ApiProblem as `parse` and `fill` do."""
    return fill(parse(request, limit=limit), form)


def parse(request: HttpRequest, *, limit: int = MOST_BYTES) -> Pairs:
    """Read a JSON object as it was written. Raises ApiProblem: `malformed_body`, `body_too_large`…"""
    accepted = Accepted((JSON,), limit, malformed="malformed_body", too_large="body_too_large")
    try:
        parsed = strict_json.parse(read_body(request, accepted).content)
    except Malformed as error:
        raise ApiProblem("malformed_body", str(error)) from error
    if not isinstance(parsed, Pairs):
        raise ApiProblem("malformed_body", "Not a JSON object.")
    return parsed


def fill(pairs: Pairs, form: type[Form]) -> Form:
    """Make a `form` of an object. Raises ApiProblem: `validation_failed` with every flaw by field.

    A field given twice is `malformed_body`: a reader that keeps one of them hides the other.
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
    """Read the whole body once. Raises ApiProblem; headers that rule it out do so before a byte is read."""
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


_UTF_8 = {"charset=utf-8", 'charset="utf-8"'}


def _is_gzip(header: str, accepted: Accepted) -> bool:
    coding = header.strip().lower()
    if coding in {"", "identity"}:
        return False
    if coding == "gzip" and accepted.inflates:
        return True
    # RFC 7694: say which codings would have done.
    raise ApiProblem(
        "unsupported_media_type",
        headers={"Accept-Encoding": "gzip" if accepted.inflates else "identity"},
    )


def _read(request: HttpRequest, accepted: Accepted) -> bytes:
    length = _length(request.META)
    if length is not None and length > accepted.limit:
        raise ApiProblem(accepted.too_large)
    try:
        if length is None:
            # Chunked: the server's own stream ends where the body does, Django's would end at once.
            content: bytes = request.META["wsgi.input"].read(accepted.limit + 1)
        else:
            content = request.read(length)
    except (OSError, ParseException) as error:
        raise ApiProblem(accepted.malformed, "The body could not be read to its end.") from error
    if len(content) > accepted.limit:
        raise ApiProblem(accepted.too_large)
    if length is not None and len(content) < length:
        raise ApiProblem(accepted.malformed, "The body ended before its Content-Length.")
    return content


def _length(meta: Mapping[str, Any]) -> int | None:
    """Return the announced length, None for a chunked body whose end the server knows."""
    if "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower() and meta.get(
        "wsgi.input_terminated"
    ):
        return None
    try:
        return max(int(meta.get("CONTENT_LENGTH") or 0), 0)
    except ValueError:
        return 0


def _inflate(content: bytes, accepted: Accepted) -> bytes:
    """Inflate one gzip member, at most to the limit: a bomb is dropped there, whatever it holds.

    Exactly one: senders have no use for more, and a body of half a million empty members would be minutes of work.
    """
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(content, accepted.limit + 1)
    except zlib.error as error:
        raise ApiProblem(accepted.malformed, "The body is not gzip.") from error
    if len(plain) > accepted.limit:
        raise ApiProblem(accepted.too_large)
    if not inflater.eof:
        raise ApiProblem(accepted.malformed, "The gzip stream is cut short.")
    if inflater.unused_data:
        raise ApiProblem(accepted.malformed, "There is something behind the gzip stream.")
    return plain
