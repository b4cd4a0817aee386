"""All routes of the URLconf, and their URLs filled with given ids."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from django.utils.regex_helper import normalize

from config.lib.ids import encode

# Parameters of allauth's and the Django admin's pages, which name nothing that belongs to a tenant.
NEUTRAL = {
    "key": "1-abc",
    "uidb36": "1",
    "app_label": "apikeys",
    "object_id": "1",
    "url": "x",
    "pk": "1",
}


def routes() -> list[str]:
    """Return every route as a template, such as ``/o/{slug}/activity/``."""
    return sorted(set(_walk(get_resolver().url_patterns, "/")))


def _walk(patterns: Any, before: str) -> Iterator[str]:
    for pattern in patterns:
        address = before + _template(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            yield address


def _template(pattern: Any) -> str:
    if isinstance(pattern, RoutePattern):
        return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", str(pattern))
    return normalize(pattern.regex.pattern)[0][0].replace("%(", "{").replace(")s", "}")


def addresses(route: str, loot: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield URLs with Acme's ids, each with its twin of ids that do not exist."""
    names = re.findall(r"{(\w+)}", route)
    unknown = [name for name in names if name not in loot and name not in NEUTRAL]
    assert not unknown, f"{route}: teach the fixture `loot` to fill {unknown}"
    count = max((len(loot[name]) for name in names if name in loot), default=1)
    for number in range(count):
        existing = {name: loot[name][number % len(loot[name])] for name in names if name in loot}
        missing = {name: _unused_like(value) for name, value in existing.items()}
        yield route.format(**NEUTRAL | existing), route.format(**NEUTRAL | missing)


def _unused_like(value: str) -> str:
    if value.isdigit():
        return str(10**9)
    prefix, _, rest = value.partition("_")
    return encode(prefix, uuid.uuid4()) if rest else "nowhere"
