from config.lib.errors import KeywayError


class AlreadyRevoked(KeywayError):
    code = "already_revoked"
    detail = "This key is revoked already."


class AlreadyIssued(KeywayError):
    """The same form or request came again: it issues nothing."""

    code = "already_issued"
    detail = "This form was sent before and its key exists. If its secret is lost, revoke it and create another."


class IdempotencyKeyReused(KeywayError):
    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was sent before with another body. Nothing was issued."


class ScopeNotGrantable(KeywayError):
    code = "scope_not_grantable"
    detail = "A scope is not known, not active yet, or not for this kind of key."


class StrongerThanIssuer(KeywayError):
    code = "stronger_than_issuer"
    detail = "The key would reach further than you do: in environment, expiry or networks."


class NotKeyOwner(KeywayError):
    code = "not_key_owner"
    detail = "This key is somebody else's. Its owner can do this, or an admin of the organization."


class AmbiguousOrganization(KeywayError):
    code = "ambiguous_organization"
    detail = "Say in which organization: there are several you could mean."


class ExpiryInThePast(KeywayError):
    code = "expiry_in_the_past"
    detail = "The expiry has to be in the future."


class NotUsable(KeywayError):
    code = "key_not_usable"
    detail = "The key's state does not allow this."
