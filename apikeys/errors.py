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


class AlreadyRotated(KeywayError):
    """The same form was submitted before. No second secret was made."""

    code = "already_rotated"
    detail = (
        "This form was already submitted and the key has its new secret. "
        "If you lost it, rotate the key again."
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


class RulesBroken(KeywayError):
    code = "key_rules_broken"
    detail = "The key breaks a key rule of its organization."


class ApprovalRequired(KeywayError):
    code = "approval_required"
    detail = "A second person must approve live keys in this organization. Request the key instead."


class StaleRules(KeywayError):
    code = "stale_rules"
    detail = (
        "Another version was saved while you were editing. Your changes are below. "
        "Save again to replace that version."
    )


class NotEnoughApprovers(KeywayError):
    code = "not_enough_approvers"
    detail = (
        "Approval needs at least two active admins or owners. "
        "Add another one before you require approval."
    )


class ApprovalNeedsAnOwner(KeywayError):
    code = "approval_needs_an_owner"
    detail = "Only an owner can stop requiring approval."


class NoApprover(KeywayError):
    code = "not_enough_approvers"
    detail = (
        "This key needs the approval of another admin or owner who can grant all of it, "
        "and there is none. Add one, or ask an owner to stop requiring approval."
    )


class OwnRequest(KeywayError):
    code = "own_request"
    detail = "You requested this key. Another admin or owner must answer the request."


class RequestNotOpen(KeywayError):
    code = "request_not_open"
    detail = "The request does not wait for this. It was answered, collected or has lapsed."


class RequesterLostAccess(KeywayError):
    code = "requester_lost_access"
    detail = "The requester can no longer have this key. Refuse the request."
