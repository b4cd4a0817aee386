"""`/v1`, the base address of DB Audit's API. Its sign-in is Keyway's, at the document's paths."""

from drf_spectacular.utils import extend_schema, extend_schema_view

from tenants.sign_in.api import LoginView, RefreshView

_TAG = "Dialect: DB Audit"


@extend_schema_view(post=extend_schema(operation_id="dbaudit_login", tags=[_TAG]))
class DbAuditLoginView(LoginView):
    """Like `POST /api/v1/auth/login`."""


@extend_schema_view(post=extend_schema(operation_id="dbaudit_refresh_tokens", tags=[_TAG]))
class DbAuditRefreshView(RefreshView):
    """Like `POST /api/v1/auth/refresh`."""
