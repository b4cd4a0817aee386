"""Every address of Keyway, read from the URLconf, and the same filled with somebody's ids."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from django.utils.regex_helper import normalize

from config.lib.ids import encode

# Parameters that name nothing of a tenant's: those of allauth's and of the Django admin's own pages.
NEUTRAL = {
    "key": "1-abc",
    "uidb36": "1",
    "app_label": "apikeys",
    "object_id": "1",
    "url": "x",
    "pk": "1",
}


def routes() -> list[str]:
    """Every address of the URLconf, as a template: ``/o/{slug}/activity/``."""
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
    """The route filled with Acme's ids, each beside the same with ids that do not exist."""
    names = re.findall(r"{(\w+)}", route)
    unknown = [name for name in names if name not in loot and name not in NEUTRAL]
    assert not unknown, f"{route}: teach the fixture `loot` to fill {unknown}"
    count = max((len(loot[name]) for name in names if name in loot), default=1)
    for number in range(count):
        theirs = {name: loot[name][number % len(loot[name])] for name in names if name in loot}
        nobodys = {name: _like(value) for name, value in theirs.items()}
        yield route.format(**NEUTRAL | theirs), route.format(**NEUTRAL | nobodys)


def _like(value: str) -> str:
    prefix, _, rest = value.partition("_")
    return encode(prefix, uuid.uuid4()) if rest else "nowhere"
