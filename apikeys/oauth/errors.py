from config.lib.errors import KeywayError


class SecretShown(KeywayError):
    """The same form was submitted before. No second secret was made."""

    code = "already_issued"
    detail = "This form was already submitted. If you lost the client secret, rotate it."


class NoSecret(KeywayError):
    code = "not_usable"
    detail = (
        "This application has no client secret. "
        "It runs where it cannot keep one and relies on PKCE alone."
    )


class PkceRequired(KeywayError):
    code = "not_usable"
    detail = "Only a web application can authorize without PKCE."


class AlreadyUsed(KeywayError):
    """A concurrent request redeemed the code or refresh token first."""

    code = "not_usable"
    detail = "It was already used."
