"""System checks that stop a misconfigured server at startup, each with an id and a hint."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from tenants import conf


@register(Tags.security)
def check_signing_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    hint = (
        "make run writes one to var/keyway.env; manage.py new_signing_key prints one. "
        "See docs/configuration.md."
    )
    try:
        keys = conf.signing_keys()
    except ValueError as error:
        return [Error(f"{error}.", hint=hint, id="keyway.E007")]
    return (
        []
        if keys
        else [
            Error(
                "KEYWAY_SIGNING_KEYS is empty, so no user token can be issued.",
                hint=hint,
                id="keyway.E006",
            )
        ]
    )


@register(Tags.security)
def check_lifetimes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if 0 < conf.refresh_lifetime().days <= conf.family_lifetime().days <= conf.MOST_DAYS:
        return []
    message = "KEYWAY_REFRESH_TOKEN_DAYS and KEYWAY_SIGN_IN_DAYS are out of range or inconsistent."
    hint = (
        f"Set both from 1 to {conf.MOST_DAYS} days, KEYWAY_REFRESH_TOKEN_DAYS no longer than "
        "KEYWAY_SIGN_IN_DAYS."
    )
    return [Error(message, hint=hint, id="keyway.E008")]


@register(Tags.security)
def check_sign_up(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.KEYWAY_SIGN_UP in conf.SIGN_UP:
        return []
    message = f"KEYWAY_SIGN_UP is {settings.KEYWAY_SIGN_UP!r}, so sign-up is closed."
    return [Error(message, hint="Set it to closed or open.", id="keyway.E020")]
