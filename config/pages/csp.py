"""The Content-Security-Policy header from ``SECURE_CSP``.

Django 6 has this built in, with the same setting. Remove this module once 6.2 LTS is the minimum.
"""

from collections.abc import Callable, Mapping, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Policy = Mapping[str, Sequence[str]]


def header(policy: Policy) -> str:
    return "; ".join(f"{directive} {' '.join(sources)}" for directive, sources in policy.items())


def extend(response: HttpResponse, **sources: Sequence[str]) -> None:
    """Add sources to one response's policy: ``extend(response, img_src=["data:"])``."""
    policy = dict(settings.SECURE_CSP)  # a copy, or every later response would get the source too
    for name, extra in sources.items():
        directive = name.replace("_", "-")
        policy[directive] = [*policy.get(directive, []), *extra]
    response.headers["Content-Security-Policy"] = header(policy)


class ContentSecurityPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.value = header(settings.SECURE_CSP)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # setdefault, because `extend` may have set a policy already.
        response.headers.setdefault("Content-Security-Policy", self.value)
        return response
