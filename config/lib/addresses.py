"""Which addresses are calls of the API."""

API = "/api/v1/"
SIGN_IN = "/api/v1/auth/"


def is_call(path: str) -> bool:
    """Whether a request is a call of the API rather than a page's.

    Signing in goes the way of pages: its limits and flows are allauth's, which need a session.
    """
    return path.startswith(API) and not path.startswith(SIGN_IN)
