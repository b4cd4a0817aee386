"""Refuse a Content-Type on which Django fails before any view runs.

Django looks up the caller's charset among all of Python's codecs, decompressors included, while it
reads the query string. ``charset=bz2_codec`` or an RFC 2231 ``charset*=`` would cause a 500 on any
URL. Keyway supports UTF-8 only.
"""

import re
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from config.lib import wsgi_responses

_ALLOWED = re.compile(
    r'[^;*]*(;(?!\s*charset)[^;*]*|;\s*charset\s*=\s*"?utf-8"?\s*)*', re.IGNORECASE
)


def is_allowed(content_type: str) -> bool:
    return _ALLOWED.fullmatch(content_type) is not None


def refuse(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    words = "Content-Type: utf-8 is the only supported charset."
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    return wsgi_responses.respond_text(environ, start_response, status, words)
