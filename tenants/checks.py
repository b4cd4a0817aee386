"""Misconfiguration is refused at startup, with an id and a hint."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from tenants import conf


@register(Tags.security)
def check_signing_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    hint = "make run writes one to var/keyway.env; manage.py new_signing_key prints one. See docs/configuration.md."
    try:
        keys = conf.signing_keys()
    except ValueError as error:
        return [Error(f"{error}.", hint=hint, id="keyway.E007")]
    return (
        []
        if keys
        else [
            Error(
                "KEYWAY_SIGNING_KEYS is empty: nobody could get a token.",
                hint=hint,
                id="keyway.E006",
            )
        ]
    )


@register(Tags.security)
def check_lifetimes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if 0 < conf.refresh_lifetime().days <= conf.family_lifetime().days <= conf.MOST_DAYS:
        return []
    message = "KEYWAY_REFRESH_TOKEN_DAYS and KEYWAY_SIGN_IN_DAYS do not fit together."
    hint = f"From 1 to {conf.MOST_DAYS} days, and a refresh token lives no longer than its sign-in."
    return [Error(message, hint=hint, id="keyway.E008")]
