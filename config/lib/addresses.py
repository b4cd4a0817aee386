"""Paths of the API, and the test that tells its calls from requests for pages."""

# Keyway's own, and the addresses of other products' documents: ASCEND's /api/keys, DB Audit's /v1.
API = ("/api/", "/v1/")
SIGN_IN = ("/api/v1/auth/", "/v1/auth/")


def is_call(path: str) -> bool:
    """Return whether `path` is a call of the API and not a page.

    Sign-in calls count as pages because allauth's limits and flows need a session.
    """
    return path.startswith(API) and not path.startswith(SIGN_IN)
