from config.lib.errors import KeywayError


class AlreadyRevoked(KeywayError):
    code = "already_revoked"
    detail = "This key is already revoked."


class AlreadyIssued(KeywayError):
    """The same form or request was submitted before. Nothing was issued this time."""

    code = "already_issued"
    detail = (
        "This form was already submitted and its key exists. "
        "If you lost its secret, revoke the key and create another."
    )


class IdempotencyKeyReused(KeywayError):
    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was already used with a different body. Nothing was issued."


class ScopeNotGrantable(KeywayError):
    code = "scope_not_grantable"
    detail = "A scope is unknown, not active yet, or not available to this kind of key."


class StrongerThanIssuer(KeywayError):
    code = "stronger_than_issuer"
    detail = "The key would exceed your own access in its environment, expiry or networks."


class NotKeyOwner(KeywayError):
    code = "not_key_owner"
    detail = "This key belongs to someone else. Only its owner or an admin can do this."


class AmbiguousOrganization(KeywayError):
    code = "ambiguous_organization"
    detail = "Specify the organization. You can create keys in more than one."


class ExpiryInThePast(KeywayError):
    code = "expiry_in_the_past"
    detail = "The expiry must be in the future."


class ExpiryMovedOut(KeywayError):
    code = "expiry_moved_out"
    detail = "The expiry can be brought nearer but not moved out. Issue a new key instead."


class AlreadyOffered(KeywayError):
    code = "already_offered"
    detail = "This key has already been offered to someone. Withdraw that offer first."


class HandOverRefused(KeywayError):
    code = "hand_over_refused"
    detail = "This key cannot be handed over."


class NotUsable(KeywayError):
    code = "key_not_usable"
    detail = "The key's state does not allow this."
