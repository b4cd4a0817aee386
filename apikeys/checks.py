"""System checks that refuse a misconfigured installation at startup, with an id and a hint."""

import re
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from apikeys import conf, scopes
from config.lib.origins import is_origin
from config.lib.peppers import MINIMUM_BYTES

MINIMUM_SPOOL_BYTES = 64 * 1024
_PREFIX = re.compile(r"[a-z][a-z0-9]{0,15}(?:_[a-z0-9]{1,15})?\Z")


@register(Tags.security)
def check_peppers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    hint = (
        "make run writes one to var/keyway.env. "
        "docs/configuration.md explains how to create and rotate peppers."
    )
    if not conf.peppers():
        return [
            Error(
                "KEYWAY_PEPPERS is empty. No secret can be issued or verified without a pepper.",
                hint=hint,
                id="keyway.E001",
            )
        ]
    return [
        Error(
            f"Pepper version {pepper.version} is shorter than {MINIMUM_BYTES} bytes.",
            hint=hint,
            id="keyway.E002",
        )
        for pepper in conf.peppers()
        if len(pepper.key) < MINIMUM_BYTES
    ]


@register(Tags.security)
def check_prefixes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    prefixes = list(conf.prefixes().values())
    hint = (
        "Use lowercase letters and digits, starting with a letter, with at most one underscore "
        "inside. Examples: sk, acme_sk."
    )
    if not all(_PREFIX.match(prefix) for prefix in prefixes) or len(set(prefixes)) < len(prefixes):
        message = (
            "KEYWAY_AGENT_KEY_PREFIX and KEYWAY_PUBLIC_KEY_PREFIX must be two different prefixes."
        )
        return [Error(message, hint=hint, id="keyway.E003")]
    return []


@register(Tags.security)
def check_scopes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        scopes.registry()
    except (ValueError, AttributeError, TypeError) as error:
        return [
            Error(
                str(error),
                hint="docs/configuration.md describes the format of KEYWAY_SCOPES.",
                id="keyway.E004",
            )
        ]
    return []


@register(Tags.security)
def check_usage(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    problems = []
    if settings.KEYWAY_USAGE_WHEN_FULL not in {"block", "count"}:
        problems.append("KEYWAY_USAGE_WHEN_FULL must be block or count.")
    if (
        settings.KEYWAY_SPOOL_BYTES < MINIMUM_SPOOL_BYTES
        or settings.KEYWAY_USAGE_RETENTION_DAYS < 1
    ):
        problems.append(
            f"KEYWAY_SPOOL_BYTES must be at least {MINIMUM_SPOOL_BYTES} and "
            "KEYWAY_USAGE_RETENTION_DAYS at least 1."
        )
    return [
        Error(problem, hint="docs/usage.md describes these settings.", id="keyway.E005")
        for problem in problems
    ]


@register(Tags.security)
def check_origins(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    own = settings.KEYWAY_URL.rstrip("/")
    hint = "Example: https://app.example.com,http://localhost:5173"
    return [
        Error(
            f"KEYWAY_CORS_ORIGINS contains {origin!r}. Name each origin: scheme, host and, if it "
            "is not the usual one, port. A wildcard and Keyway's own origin are refused.",
            hint=hint,
            id="keyway.E009",
        )
        for origin in settings.KEYWAY_CORS_ORIGINS
        if origin == own or not is_origin(origin)
    ]


@register(Tags.security, deploy=True)
def check_argon2(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    memory_kib, passes = conf.argon2_policy()
    if memory_kib < 19456 or passes < 2:
        message = (
            f"Argon2id runs with {memory_kib} KiB and {passes} passes, "
            "less than OWASP's minimum of 19456 KiB and 2."
        )
        return [
            checks.Warning(
                message, hint="Remove KEYWAY_ARGON2_* to use the defaults.", id="keyway.W001"
            )
        ]
    return []
