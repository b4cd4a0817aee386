from keyway.decoding import reader
from keyway.models import Whoami
from keyway.wire import Call


def whoami() -> Call[Whoami]:
    """Say what the presented credential is: organization, kind, environment, scopes, expiry, limits."""
    return Call("GET", "/api/v1/whoami", reader(Whoami))
