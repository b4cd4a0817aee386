"""Keyway SDK for Python.

``Client`` and ``AsyncClient`` call the API. ``Verifier`` and ``AsyncVerifier`` verify the keys that
callers present to your own service.
"""

from keyway.client import AsyncClient, Client
from keyway.errors import (
    ApiError,
    AuthenticationError,
    BatchRefused,
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    KeywayError,
    Misconfigured,
    NotFound,
    PermissionDenied,
    RateLimited,
    SecretNotShown,
    ServerError,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    ValidationFailed,
)
from keyway.events import (
    AgentConfiguration,
    BatchOutcome,
    Event,
    HeartbeatAnswer,
    Rejection,
    StoredEvent,
)
from keyway.models import (
    ChangedKey,
    HostProgress,
    IssuedKey,
    Key,
    KeySecret,
    Revocation,
    RotatedKey,
    Usage,
    Whoami,
)
from keyway.secret import Secret
from keyway.verification import Denied, Identity, Incoming
from keyway.verifier import AsyncVerifier, Verifier
from keyway.version import __version__

__all__ = [
    "AgentConfiguration",
    "ApiError",
    "AsyncClient",
    "AsyncVerifier",
    "AuthenticationError",
    "BatchOutcome",
    "BatchRefused",
    "ChangedKey",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Denied",
    "Event",
    "HeartbeatAnswer",
    "HostProgress",
    "Identity",
    "Incoming",
    "InvalidRequest",
    "IssuedKey",
    "Key",
    "KeySecret",
    "KeywayError",
    "Misconfigured",
    "NotFound",
    "PermissionDenied",
    "RateLimited",
    "Rejection",
    "Revocation",
    "RotatedKey",
    "Secret",
    "SecretNotShown",
    "ServerError",
    "StoredEvent",
    "TimedOut",
    "Unavailable",
    "UnexpectedAnswer",
    "Usage",
    "ValidationFailed",
    "Verifier",
    "Whoami",
    "__version__",
]
