from config.lib.errors import KeywayError


class InvalidToken(KeywayError):
    """Not signed by this installation, not of the use it is put to, or no longer standing for anybody."""

    code = "invalid_token"
    detail = "The token is not good, or was revoked. Sign in again."


class ExpiredToken(KeywayError):
    code = "expired_token"
    detail = "The token has expired. Refresh it, or sign in again."


class RefreshReused(KeywayError):
    code = "refresh_reused"
    detail = "This refresh token was used before, so somebody may have stolen it. Its sign-in has ended; sign in again."
