"""Find the credential in a request, verify it, and note it for the usage record.

Django REST framework (apikeys.api.authentication) and the gateway (apikeys.verify.gateway) both
call `resolve`, so a key gets the same verdict from either. `meta` is a WSGI environment: Django's
META.
"""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from typing import Any

from apikeys import conf
from apikeys.oauth import verification as access_tokens
from apikeys.verify import secret, throttling, usage_note, user_tokens
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, authorize, verify
from apikeys.verify.user_tokens import Place
from config.lib.client_ip import client_ip
from config.lib.environment import Environment
from tenants.sign_in.tokens.token import is_shaped

# Below this path lie the addresses of DB Audit's documents, which show keys as bearer tokens. The
# three of OTLP, which agents call, are not among them.
_BEARER_PATH = "/v1/"
_OTLP = frozenset({"/v1/metrics", "/v1/logs", "/v1/traces"})

Verdict = Callable[[], Credential | Denial]


class AccessTokenText(str):
    """A value of `Authorization: Bearer` that is neither an API key nor a user token."""

    __slots__ = ()


class UserTokenText(str):
    """A value of `Authorization: Bearer` in the form of a user token."""

    __slots__ = ()


class MisplacedKey(str):
    """An API key in `Authorization: Bearer`, at an address that takes none there."""

    __slots__ = ()


def resolve(meta: MutableMapping[str, Any], *, at: datetime) -> Credential | Denial | None:
    """Return the credential of a request, the denial of it, or None if it presents none."""
    presented = find(meta)
    if presented is None:
        return None
    outcome = usage_note.admit(meta, _verify(meta, presented, at))
    if isinstance(outcome, Denial):
        return outcome
    return _check_headers(meta, outcome) or outcome


def note_key(meta: MutableMapping[str, Any], *, at: datetime) -> None:
    """Note the key of a request that nothing else verifies, so that its usage shows the request.

    The verdict is not returned: the response must not depend on whether the key is good.
    """
    presented = find(meta)
    # Tokens' uses are not recorded one by one, so a token is not worth a query.
    if isinstance(presented, str) and not isinstance(presented, AccessTokenText | UserTokenText):
        usage_note.admit(meta, _verify(meta, presented, at))


def _verify(
    meta: MutableMapping[str, Any], presented: str | Denial, at: datetime
) -> Credential | Denial:
    if isinstance(presented, Denial):
        return throttling.refuse(meta, presented) or presented
    mark, verdict = _means(meta, presented, at)
    return throttling.within_limits(meta, mark, verdict)


def _means(meta: Mapping[str, Any], presented: str, at: datetime) -> tuple[str, Verdict]:
    """Return what the verdict depends on, and the function that gives it."""
    if isinstance(presented, AccessTokenText):
        return presented, lambda: access_tokens.verify(presented, now=at)
    if isinstance(presented, UserTokenText):
        place = _place(meta)
        # With the place. A token that was refused for one organization is good for another.
        return f"{place} {presented}", lambda: user_tokens.verify(presented, place, now=at)
    address = client_ip(meta)
    if isinstance(presented, MisplacedKey):
        # Apart from the key itself, which is good in its own header.
        return f"bearer {presented}", lambda: _refuse_misplaced(presented, at, address)
    return presented, lambda: verify(presented, now=at, address=address)


def _refuse_misplaced(presented: str, at: datetime, address: str) -> Denial:
    """Refuse a key for its header, and name the key if its secret is proved.

    The caller gets one answer for all keys. The owner sees the attempt in the key's usage.
    """
    outcome = verify(presented, now=at, address=address)
    return Denial(Reason.KEY_IN_BEARER, presented=outcome.presented)


def _place(meta: Mapping[str, Any]) -> Place:
    # `_check_headers` refuses an unknown environment, after the token has been proved.
    organization: str | None = meta.get("HTTP_X_ORGANIZATION_ID")
    return Place(organization, meta.get("HTTP_X_KEYWAY_ENVIRONMENT", Environment.LIVE.value))


def _check_headers(meta: Mapping[str, Any], credential: Credential) -> Denial | None:
    """Check the organization and environment that the caller names in headers."""
    organization: str | None = meta.get("HTTP_X_ORGANIZATION_ID")
    environment: str | None = meta.get("HTTP_X_KEYWAY_ENVIRONMENT")
    if environment is not None and environment not in Environment.values:
        detail = "The header X-Keyway-Environment is either live or test."
        return Denial(Reason.WRONG_ENVIRONMENT, detail)
    if organization is None and environment is None:
        return None
    return authorize(credential, organization=organization, environment=environment)


def find(meta: Mapping[str, Any]) -> str | Denial | None:
    """Return the one credential of a request, a denial of several, or None if there is none."""
    header: str | None = meta.get("HTTP_X_API_KEY")
    authorization: str | None = meta.get("HTTP_AUTHORIZATION")
    bearer = _bearer(authorization) if authorization else None
    if header is not None:
        # Refused and not resolved by precedence: a proxy and Keyway could each choose another one.
        # Repeated X-API-Key headers arrive joined by a comma.
        if "," in header or not (bearer is None or _is_same_key(header, bearer)):
            return Denial(Reason.SEVERAL_CREDENTIALS)
        return header.strip()
    if bearer is None:
        return None
    if _looks_like_a_key(bearer):
        return bearer if _takes_keys_as_bearer(meta) else MisplacedKey(bearer)
    return UserTokenText(bearer) if is_shaped(bearer) else AccessTokenText(bearer)


def _is_same_key(header: str, bearer: str) -> bool:
    return bearer == header.strip() and _looks_like_a_key(bearer)


def _takes_keys_as_bearer(meta: Mapping[str, Any]) -> bool:
    path: str = meta.get("PATH_INFO", "")
    is_otlp = meta.get("REQUEST_METHOD") == "POST" and path.rstrip("/") in _OTLP
    return path.startswith(_BEARER_PATH) and not is_otlp


def _bearer(authorization: str) -> str | None:
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _looks_like_a_key(token: str) -> bool:
    return secret.parse(token) is not None or token.startswith(
        tuple(f"{prefix}_" for prefix in conf.prefixes().values())
    )
