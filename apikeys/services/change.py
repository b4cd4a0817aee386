"""Steps that several changes share."""

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
    """Lock the key's row and return it as it is now, so that checks on it still hold at the commit.

    Raises NotUsable if it is revoked or expired.
    """
    # `key` was read before the lock and may be stale: decide on what this returns, not on `key`.
    # Only the key's row is locked. Locking its owner too would queue every member's changes.
    locked = Key.objects.select_for_update(of=("self",)).select_related("owner").get(pk=key.pk)
    if locked.revoked_at or (locked.expires_at and locked.expires_at <= timezone.now()):
        raise NotUsable("The key is revoked or expired. Issue a new one.")
    return locked


def authority_of_owner(owner: Membership | None) -> Authority:
    """The most that a public key of this owner can have. None means the organization."""
    if owner is None:
        return Authority.of_organization()
    return Authority.of_person(PERMISSIONS[Role(owner.role)])


def require_authority(key: Key, within: Authority) -> None:
    """Require that the caller and the key's owner both cover the key's whole authority.

    Raises ScopeNotGrantable or StrongerThanIssuer.
    """
    wanted = key.authority
    # The owner is checked too. Otherwise an admin could give a member a key stronger than the
    # member, and its secret is the member's to use. An organization key never has `admin`, even if
    # an owner issues it, because every admin can rotate it and read its new secret.
    if key.kind == Kind.PUBLIC:
        authority_of_owner(key.owner).require_covers(wanted)
    within.require_covers(wanted)


def grantable(names: Collection[str]) -> list[str]:
    """Return the names sorted and without duplicates.

    Raises ScopeNotGrantable, with a message, if a public key cannot have one of them.
    """
    known = scopes.registry()
    for name in names:
        if name not in known or known[name].kind is not Kind.PUBLIC:
            raise ScopeNotGrantable("A scope is unknown or not available to public keys.")
        if not known[name].is_grantable:
            raise ScopeNotGrantable(
                f"{known[name].title} ({name}) is coming soon and cannot be granted yet."
            )
    if not names:
        raise ScopeNotGrantable("Choose at least one scope. A key without scopes can do nothing.")
    return sorted(set(names))


def make_secret(key: Key) -> tuple[Plaintext, Secret]:
    """Mint a secret and build its row, without saving it.

    Call it before the transaction. Argon2id takes tens of milliseconds, and other requests for the
    same key would wait that long for its row lock.
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
