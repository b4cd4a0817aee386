from config.lib.errors import KeywayError


class SecretShown(KeywayError):
    """The same form came again: it makes no second secret."""

    code = "already_issued"
    detail = "This form was sent before. If the client secret is lost, rotate it."


class NoSecret(KeywayError):
    code = "not_usable"
    detail = "This application has no client secret: it runs where nobody can keep one, and proves itself by PKCE alone."


class AlreadyUsed(KeywayError):
    """Somebody else redeemed the code or the refresh token at the same moment."""

    code = "not_usable"
    detail = "It was used already."
