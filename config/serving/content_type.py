"""Refuse a Content-Type that Django would stumble over before any view could answer.

Django looks up the charset a caller names among all of Python's codecs, compressors included, while it reads the query
string: ``charset=bz2_codec`` or an RFC 2231 ``charset*=`` is a 500 on any address. Nothing here speaks anything but UTF-8.
"""

import re
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from config.lib import wsgi_responses

_GOOD = re.compile(r'[^;*]*(;(?!\s*charset)[^;*]*|;\s*charset\s*=\s*"?utf-8"?\s*)*', re.IGNORECASE)


def is_good(content_type: str) -> bool:
    return _GOOD.fullmatch(content_type) is not None


def refuse(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    words = "Content-Type: no charset but utf-8 is taken."
    return wsgi_responses.text(environ, start_response, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
