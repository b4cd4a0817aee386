"""Who may see what a key was used for."""

import uuid

from apikeys.kind import Kind
from apikeys.models import Key
from tenants.access import enter
from tenants.errors import Forbidden, NoAccess
from tenants.models import User
from tenants.roles import Permission

_TO_READ = {Kind.AGENT: Permission.READ_AGENTS, Kind.PUBLIC: Permission.READ_MEMBERS}


def find(user: User, key_id: uuid.UUID) -> Key:
    """Return a key of the user's own, or one that their role lets them look after.

    Raises NoAccess for every other, as for one that does not exist.
    """
    key = Key.objects.select_related("organization", "owner__user").filter(pk=key_id).first()
    if key is None:
        raise NoAccess()
    if key.owner and key.owner.user_id == user.pk and user.is_active:
        return key
    try:
        enter(user, key.organization.slug, _TO_READ[Kind(key.kind)])
    except Forbidden as error:
        raise NoAccess() from error
    return key
