"""Names that Keyway borrows from libraries although they are private or undocumented.

An upgrade may remove any of them without notice. Each entry names the module that borrows it and
what breaks without it, so that the failure of an upgrade explains itself. Most also have an upper
bound in pyproject.toml.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = ("apikeys", "audit", "config", "tenants")
# Documented although they begin with an underscore.
DOCUMENTED = {"_meta", "_replace", "_asdict", "_fields", "_exit"}


@dataclass(frozen=True)
class Borrowed:
    """`name` occurs in the source of `module`. `exists` raises or returns False if it is gone."""

    module: str
    name: str
    exists: Callable[[], bool] = field(repr=False)
    breaks: str = field(repr=False)


def found(path: str, attribute: str) -> bool:
    """Return whether `path`, a module or a class in one, has `attribute`."""
    try:
        owner: object = importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        owner = getattr(importlib.import_module(module), name)
    return hasattr(owner, attribute)


def takes(path: str, name: str, *parameters: str) -> bool:
    function = getattr(importlib.import_module(path), name)
    return set(parameters) <= set(inspect.signature(function).parameters)


def source_has(path: str, name: str, text: str) -> bool:
    """Return whether a class or one of its bases contains `text`: a hook must also be called."""
    owner = getattr(importlib.import_module(path), name)
    return any(text in inspect.getsource(each) for each in owner.__mro__ if each is not object)


def histogram_has(name: str) -> bool:
    from prometheus_client import Histogram  # noqa: PLC0415

    return hasattr(Histogram("probe", "", registry=None), name)


def request_has(name: str) -> bool:
    from django.test import RequestFactory  # noqa: PLC0415
    from rest_framework.request import Request  # noqa: PLC0415

    django_request = RequestFactory().get("/")
    return getattr(Request(django_request), name) is django_request


def connections_take(name: str) -> bool:
    from django.db import connections  # noqa: PLC0415

    return name in inspect.signature(connections.all).parameters


BORROWED = [
    Borrowed(
        "tenants.sign_in.sso.views",
        "record_authentication",
        lambda: takes(
            "allauth.account.internal.flows.login", "record_authentication", "request", "user"
        ),
        "A single sign-on does not count as recent, so people without a password cannot make a "
        "change that requires a recent sign-in.",
    ),
    Borrowed(
        "tenants.sign_in.recent",
        "get_authentication_records",
        lambda: takes(
            "allauth.account.internal.flows.login", "get_authentication_records", "request", "user"
        ),
        "Keyway cannot tell when a session last proved a password or second factor, so no change "
        "that requires a recent sign-in is possible.",
    ),
    Borrowed(
        "tenants.sign_in.password",
        "get_rates",
        lambda: takes("allauth.core.internal.ratelimit", "get_rates", "app", "action"),
        "A rate-limited login over the API cannot say in Retry-After when to try again.",
    ),
    Borrowed(
        "tenants.sign_in.password",
        "too_many_login_attempts",
        lambda: source_has(
            "allauth.account.adapter", "DefaultAccountAdapter", '"too_many_login_attempts"'
        ),
        "After too many wrong codes, the API answers invalid_login instead of rate_limited.",
    ),
    Borrowed(
        "tenants.sign_in.password",
        ".authenticator",
        lambda: source_has("allauth.mfa.base.forms", "AuthenticateForm", "self.authenticator = "),
        "The API does not learn which authenticator accepted a code, so it cannot mark a TOTP "
        "code as used, and every login with a second factor fails.",
    ),
    Borrowed(
        "tenants.sign_in.api",
        "_request",
        lambda: request_has("_request"),
        "The REST framework hides Django's request, which allauth needs for its rate limits, so "
        "every login over the API fails.",
    ),
    Borrowed(
        "apikeys.api.authentication",
        "_request",
        lambda: request_has("_request"),
        "The REST framework hides Django's request, so a browser session cannot be loaded for a "
        "call of the API.",
    ),
    Borrowed(
        "apikeys.api.authentication",
        "SessionMiddleware(_no_view).process_request",
        lambda: found("django.contrib.sessions.middleware.SessionMiddleware", "process_request"),
        "Django's session middleware can no longer load a session without calling the next layer, "
        "so browsers cannot call the API with their session.",
    ),
    Borrowed(
        "apikeys.api.authentication",
        "AuthenticationMiddleware(_no_view).process_request",
        lambda: found("django.contrib.auth.middleware.AuthenticationMiddleware", "process_request"),
        "Django's authentication middleware can no longer set request.user without calling the "
        "next layer, so browsers cannot call the API with their session.",
    ),
    *(
        Borrowed(
            "config.lib.metrics",
            name,
            lambda name=name: histogram_has(name),  # type: ignore[misc]
            "prometheus-client stores a histogram differently, so durations cannot be counted many "
            "at a time. Observe each on its own instead, which is slower.",
        )
        for name in ("_sum", "_buckets", "_upper_bounds")
    ),
    *(
        Borrowed(
            "config.lib.prepared",
            name,
            lambda name=name: found("django.db.models.sql.compiler.SQLCompiler", name),  # type: ignore[misc]
            "Django compiles queries differently, so a verification cannot reuse its compiled "
            "query. Replace Prepared by a plain query, which is slower but correct.",
        )
        for name in ("as_sql", "get_converters", "apply_converters")
    ),
    Borrowed(
        "config.lib.prepared",
        "get_compiler",
        lambda: found("django.db.models.sql.Query", "get_compiler"),
        "A query cannot be compiled before it runs, so a verification cannot reuse its compiled "
        "query. Replace Prepared by a plain query, which is slower but correct.",
    ),
    Borrowed(
        "config.serving.handler",
        "get_script_name",
        lambda: found("django.core.handlers.wsgi", "get_script_name"),
        "The handler cannot set the URL prefix as Django does, so links are wrong behind a proxy "
        "that serves Keyway under a path.",
    ),
    Borrowed(
        "config.serving.handler",
        "request_class",
        lambda: found("django.core.handlers.wsgi.WSGIHandler", "request_class"),
        "The handler cannot build a request as Django does, so it cannot skip Django's signals at "
        "the end of a call of the API.",
    ),
    Borrowed(
        "config.serving.handler",
        "initialized_only",
        lambda: connections_take("initialized_only"),
        "The handler cannot tell whether a call opened a connection, so it must send "
        "request_finished every time or leak connections.",
    ),
    Borrowed(
        "config.lib.postgresql.base",
        "get_new_connection",
        lambda: source_has(
            "django.db.backends.base.base", "BaseDatabaseWrapper", "self.get_new_connection("
        ),
        "Django connects without passing the circuit breaker, so every request waits for a "
        "database that is away.",
    ),
    Borrowed(
        "config.lib.logs",
        "setup",
        lambda: source_has("gunicorn.glogging", "Logger", "self.setup("),
        "gunicorn logs with its own formatter, so its lines are no longer redacted.",
    ),
    Borrowed(
        "apikeys.oauth.validator",
        "_load_application",
        lambda: source_has(
            "oauth2_provider.oauth2_validators", "OAuth2Validator", "self._load_application("
        ),
        "The toolkit loads applications by itself, so a disabled application or one of a "
        "suspended organization is still accepted.",
    ),
    Borrowed(
        "apikeys.oauth.validator",
        "_check_secret",
        lambda: source_has(
            "oauth2_provider.oauth2_validators", "OAuth2Validator", "self._check_secret("
        ),
        "The toolkit compares an application's secret by itself. Keyway stores keyed hashes, so no "
        "application can authenticate.",
    ),
    Borrowed(
        "apikeys.oauth.server",
        "_code_challenge_methods",
        lambda: source_has(
            "oauthlib.oauth2.rfc6749.grant_types.authorization_code",
            "AuthorizationCodeGrant",
            "in self._code_challenge_methods",
        ),
        "oauthlib no longer asks which PKCE methods are allowed, so it also accepts plain.",
    ),
    Borrowed(
        "apikeys.oauth.server",
        "code_challenge_method_s256",
        lambda: found(
            "oauthlib.oauth2.rfc6749.grant_types.authorization_code", "code_challenge_method_s256"
        ),
        "oauthlib no longer has the function that verifies PKCE with S256, so no authorization "
        "code can be exchanged.",
    ),
]


@pytest.mark.parametrize("borrowed", BORROWED, ids=lambda b: f"{b.module}:{b.name}")
def test_borrowed_name_exists(borrowed: Borrowed) -> None:
    try:
        exists = borrowed.exists()
    except (ImportError, AttributeError):
        exists = False
    assert exists, f"{borrowed.name}, borrowed by {borrowed.module}, is gone. {borrowed.breaks}"


@pytest.mark.parametrize("borrowed", BORROWED, ids=lambda b: f"{b.module}:{b.name}")
def test_borrowed_name_is_still_used(borrowed: Borrowed) -> None:
    source = (ROOT / borrowed.module.replace(".", "/")).with_suffix(".py").read_text()
    assert borrowed.name in source, f"{borrowed.module} no longer uses it: remove the entry"


def test_every_private_name_is_listed() -> None:
    listed = {(borrowed.module, borrowed.name) for borrowed in BORROWED}
    assert set(private_names()) - listed == set()


def private_names() -> Iterator[tuple[str, str]]:
    """Yield the module and name of each private name that the four apps take from elsewhere."""
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text())):
                yield from ((module, name) for name in _private_names_in(node))


def _private_names_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module and node.module != "__future__":
        parts = node.module.split(".")
        is_internal = any(part == "internal" or part.startswith("_") for part in parts)
        names = [alias.name for alias in node.names if not alias.name.startswith("__")]
        yield from (name for name in names if is_internal or name.startswith("_"))
    elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
        is_own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        if not (is_own or node.attr.startswith("__") or node.attr in DOCUMENTED):
            yield node.attr
    elif isinstance(node, ast.ClassDef):
        yield from _overridden_in(node)


def _overridden_in(node: ast.ClassDef) -> Iterator[str]:
    """Yield private members of classes that extend the OAuth libraries, whose hooks are private."""
    if not {ast.unparse(base) for base in node.bases} & {
        "OAuth2Validator",
        "AuthorizationCodeGrant",
    }:
        return
    for member in node.body:
        names = [member.name] if isinstance(member, ast.FunctionDef) else []
        if isinstance(member, ast.Assign):
            names = [target.id for target in member.targets if isinstance(target, ast.Name)]
        yield from (name for name in names if re.match(r"_[a-z]", name))
