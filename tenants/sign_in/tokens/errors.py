from config.lib.errors import KeywayError


class InvalidToken(KeywayError):
    """Not signed by this installation, of the wrong use, or revoked. Deliberately one answer."""

    code = "invalid_token"
    detail = "The token is invalid or was revoked. Sign in again."


class ExpiredToken(KeywayError):
    code = "expired_token"
    detail = "The token has expired. Refresh it or sign in again."


class RefreshReused(KeywayError):
    code = "refresh_reused"
    detail = (
        "This refresh token was already used and may have been stolen. "
        "The sign-in was revoked. Sign in again."
    )
