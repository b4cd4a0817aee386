from keyway.decoding import reader
from keyway.models import Whoami
from keyway.wire import Call


def whoami() -> Call[Whoami]:
    """Return the presented credential: organization, kind, environment, scopes, expiry, limits."""
    return Call("GET", "/api/v1/whoami", reader(Whoami))
