from audit.errors import KeywayError


class AlreadyRevoked(KeywayError):
    code = "already_revoked"
    detail = "This key is revoked already."


class AlreadyIssued(KeywayError):
    """The same form or request came again: it issues nothing. `key` is the one it issued."""

    code = "already_issued"
    detail = "This form was sent before and its key exists. If its secret is lost, revoke it and create another."


class ScopeNotGrantable(KeywayError):
    code = "scope_not_grantable"
    detail = "A scope is not known, not active yet, or not for this kind of key."


class ExpiryInThePast(KeywayError):
    code = "expiry_in_the_past"
    detail = "The expiry has to be in the future."


class RateLimited(KeywayError):
    code = "rate_limited"
    detail = "Too many attempts. Wait a minute and try again."


class NotUsable(KeywayError):
    code = "not_usable"
    detail = "The key's state does not allow this."
