"""Changes to applications. Each is one function that is atomic and recorded in the trail.

Changes to tokens are in apikeys.oauth.tokens.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from apikeys import conf
from apikeys import scopes as registry
from apikeys.errors import ScopeNotGrantable
from apikeys.oauth import scopes, token_format
from apikeys.oauth.errors import NoSecret, PkceRequired, SecretShown
from apikeys.oauth.models import Application, Purpose
from apikeys.oauth.token_format import PlainToken, TokenKind
from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from config.lib.environment import Environment
from config.lib.ids import uuid7
from tenants.changes import leases
from tenants.changes.leases import Receipt
from tenants.models import Organization, User


@dataclass(frozen=True, slots=True)
class Registered:
    """A new application and its client secret, which is never stored.

    Native ones have no secret.
    """

    application: Application
    plaintext: PlainToken | None


@dataclass(frozen=True, slots=True)
class Draft:
    """The properties of a new application."""

    name: str
    purpose: Purpose
    scopes: Collection[str]
    redirect_uris: Collection[str] = ()
    environment: Environment = Environment.LIVE
    without_pkce: bool = False
    idempotency_key: str | None = None


def register(
    *, organization: Organization, draft: Draft, by: Actor, created_by: User
) -> Registered:
    """Register an application.

    Raises ScopeNotGrantable, PkceRequired, or SecretShown if the same form has already registered
    it.
    """
    _check_scopes(draft.scopes)
    application = Application(id=uuid7(), organization=organization, created_by=created_by)
    application.client_id, application.name = application.public_id, draft.name
    application.purpose, application.environment = draft.purpose, draft.environment
    application.scopes, application.redirect_uris = (
        registry.distinct(draft.scopes),
        "\n".join(draft.redirect_uris),
    )
    application.pkce_waived_at = _waived_at(application, waive=draft.without_pkce)
    application.idempotency_key = draft.idempotency_key
    plaintext = (
        None
        if draft.purpose is Purpose.NATIVE
        else token_format.mint(TokenKind.SECRET, conf.peppers()[0])
    )
    for name, value in _secret_columns(plaintext).items():
        setattr(application, name, value)
    try:
        with transaction.atomic():
            application.save(force_insert=True)
            _record(Action.APPLICATION_REGISTERED, application, by, _recorded(application))
    except IntegrityError as error:
        # one_form_shows_one_client_secret: the only constraint that valid input can violate.
        raise SecretShown() from error
    return Registered(application, plaintext)


def edit(
    *,
    application: Application,
    name: str,
    scopes: Collection[str],
    redirect_uris: Collection[str],
    by: Actor,
    without_pkce: bool = False,
) -> Receipt:
    """Edit an application. Raises ScopeNotGrantable or PkceRequired.

    Removing a scope applies to existing tokens too, because a token never exceeds its application.
    """
    _check_scopes(scopes)
    with transaction.atomic():
        # Locked, so that the trail records the values this edit replaces and not those of a stale
        # read.
        before = Application.objects.select_for_update().get(pk=application.pk)
        application.name, application.scopes = name, registry.distinct(scopes)
        application.redirect_uris = "\n".join(redirect_uris)
        application.pkce_waived_at = _waived_at(before, waive=without_pkce)
        application.save(
            update_fields=["name", "scopes", "redirect_uris", "pkce_waived_at", "updated"]
        )
        old, new = _recorded(before), _recorded(application)
        if changed := {field: value for field, value in new.items() if old[field] != value}:
            _record(Action.APPLICATION_CHANGED, application, by, changed)
    return leases.end()


def rotate_secret(
    *, application: Application, by: Actor, idempotency_key: str | None = None
) -> PlainToken:
    """Replace the client secret. The old one stops working at once; tokens keep working.

    Raises NoSecret, or SecretShown if the same form has already rotated it.
    """
    plaintext = token_format.mint(TokenKind.SECRET, conf.peppers()[0])
    with transaction.atomic():
        # Check for a replay under the lock: two copies of one form must not show two secrets, of
        # which only the later one works.
        locked = Application.objects.select_for_update().get(pk=application.pk)
        if not locked.client_secret:
            raise NoSecret()
        if idempotency_key and locked.idempotency_key == idempotency_key:
            raise SecretShown()
        locked.idempotency_key = idempotency_key
        for name, value in _secret_columns(plaintext).items():
            setattr(locked, name, value)
        locked.save()
        _record(Action.APPLICATION_SECRET_ROTATED, locked, by, {"mask": plaintext.mask})
    return plaintext


def disable(*, application: Application, by: Actor) -> Receipt:
    """Refuse the application and its tokens until it is enabled.

    Idempotent; the trail gets one entry.
    """
    with transaction.atomic():
        if Application.objects.filter(pk=application.pk, disabled_at=None).update(
            disabled_at=timezone.now()
        ):
            _record(Action.APPLICATION_DISABLED, application, by)
    # After the commit, also if nothing changed: a concurrent request may have disabled it just
    # now, and this caller's answer makes the same promise.
    return leases.end()


@transaction.atomic
def enable(*, application: Application, by: Actor) -> None:
    if Application.objects.filter(pk=application.pk, disabled_at__isnull=False).update(
        disabled_at=None
    ):
        _record(Action.APPLICATION_ENABLED, application, by)


def delete(*, application: Application, by: Actor) -> Receipt:
    """Delete the application with all its consents and tokens. The trail keeps its id and name."""
    with transaction.atomic():
        target = application.as_target()
        deleted, _ = Application.objects.filter(pk=application.pk).delete()
        if deleted:
            trail.record(
                Action.APPLICATION_DELETED,
                organization=application.organization_id,
                by=by,
                target=target,
            )
    return leases.end()


def _check_scopes(names: Collection[str]) -> None:
    if not names or not registry.canonical_all(names) <= scopes.grantable():
        raise ScopeNotGrantable()


def _waived_at(application: Application, *, waive: bool) -> datetime | None:
    if not waive:
        return None
    if application.purpose is not Purpose.WEB:
        raise PkceRequired()
    return application.pkce_waived_at or timezone.now()


def _secret_columns(plaintext: PlainToken | None) -> dict[str, object]:
    if plaintext is None:
        return {}
    return {
        "client_secret": token_format.digest(plaintext.reveal(), TokenKind.SECRET, conf.peppers()),
        "secret_mask": plaintext.mask,
        "secret_created_at": timezone.now(),
    }


def _recorded(application: Application) -> dict[str, object]:
    """What the trail keeps of an application."""
    return {
        "name": application.name,
        "purpose": application.purpose,
        "environment": application.environment,
        "scopes": sorted(application.scopes),
        "redirect_uris": application.addresses,
        "requires_pkce": application.requires_pkce,
    }


def _record(
    action: Action, application: Application, by: Actor, data: dict[str, object] | None = None
) -> None:
    trail.record(
        action,
        organization=application.organization_id,
        by=by,
        target=application.as_target(),
        data=data,
    )
