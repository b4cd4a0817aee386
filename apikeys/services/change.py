"""What the changes have in common."""

from collections.abc import Collection, Mapping

from django.utils import timezone

from apikeys import conf, scopes
from apikeys.authority import Authority
from apikeys.errors import NotUsable, ScopeNotGrantable
from apikeys.kind import Kind
from apikeys.models import Key, Secret
from apikeys.verify import hashing, secret
from apikeys.verify.secret import Plaintext
from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.models import Membership
from tenants.roles import PERMISSIONS, Role


def lock_usable(key: Key) -> Key:
    """Read the key anew and hold its row, so that what is decided on it still holds at the commit.

    Raises NotUsable for one that is revoked or expired.
    """
    locked = Key.objects.select_for_update(of=("self",)).select_related("owner").get(pk=key.pk)
    if locked.revoked_at or (locked.expires_at and locked.expires_at <= timezone.now()):
        raise NotUsable("The key is revoked or expired. Issue a new one.")
    return locked


def authority_of_owner(owner: Membership) -> Authority:
    return Authority.of_person(PERMISSIONS[Role(owner.role)])


def require_authority(key: Key, within: Authority) -> None:
    """Raises ScopeNotGrantable or StrongerThanIssuer unless both who asks and the key's owner have the key's whole power."""
    wanted = key.authority
    if key.owner:
        authority_of_owner(key.owner).require_covers(wanted)
    within.require_covers(wanted)


def grantable(names: Collection[str]) -> list[str]:
    """Raises ScopeNotGrantable, in words, for names that no public key can have."""
    known = scopes.registry()
    for name in names:
        if name not in known or known[name].kind is not Kind.PUBLIC:
            raise ScopeNotGrantable("A scope is not known, or not for public keys.")
        if not known[name].is_grantable:
            raise ScopeNotGrantable(
                f"{known[name].title} ({name}) is coming soon and cannot be granted yet."
            )
    if not names:
        raise ScopeNotGrantable("Choose at least one scope: a key without one can do nothing.")
    return sorted(set(names))


def make_secret(key: Key) -> tuple[Plaintext, Secret]:
    """Mint a secret and the row that will know it, not saved yet.

    Before the transaction: nobody should wait on a row lock for the tens of milliseconds of Argon2id.
    """
    minted = secret.mint(conf.prefixes()[key.kind], key.environment, conf.peppers()[0])
    row = Secret(
        key=key,
        lookup=minted.lookup,
        proof=hashing.make_proof(minted.plaintext.reveal()),
        pepper_version=minted.pepper_version,
        mask=minted.plaintext.mask,
        created_at=key.created_at,
    )
    return minted.plaintext, row


def record(action: Action, key: Key, by: Actor, data: Mapping[str, object]) -> None:
    trail.record(action, organization=key.organization_id, by=by, target=key.as_target(), data=data)
