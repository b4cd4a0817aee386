"""The Content-Security-Policy header from ``SECURE_CSP``.

Django 6 has this built in under the same setting's name; this module goes when 6.2 LTS is the floor.
"""

from collections.abc import Callable, Mapping, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Policy = Mapping[str, Sequence[str]]


def header(policy: Policy) -> str:
    return "; ".join(f"{directive} {' '.join(sources)}" for directive, sources in policy.items())


def extend(response: HttpResponse, **sources: Sequence[str]) -> None:
    """Allow one response more than the base policy: ``extend(response, img_src=["data:"])``."""
    policy = dict(settings.SECURE_CSP)
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
        response.headers.setdefault("Content-Security-Policy", self.value)
        return response
