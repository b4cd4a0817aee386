"""All URLs of Keyway."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from apikeys.dialects import urls as dialects
from audit.urls import api_urlpatterns as audit_urls
from config.pages import docs
from tenants.sign_in.api import JwksView
from tenants.sign_in.sso.views import sso_callback, sso_start
from tenants.sign_in.views import sessions
from tenants.urls import api_urlpatterns as tenants_urls
from tenants.views.sign_up import sign_up_confirm, sign_up_start

urlpatterns = [
    # First, because they get the most requests.
    path("api/v1/", include("apikeys.api.urls")),
    path("api/v1/", include(tenants_urls)),
    path("api/v1/", include(audit_urls)),
    path("api/keys/", include(dialects.ascend_urlpatterns)),
    path("v1/", include(dialects.dbaudit_urlpatterns)),
    path("", include("apikeys.urls")),
    path("", include("apikeys.oauth.urls")),
    path("", include("apikeys.notices.urls")),
    path("", include("tenants.urls")),
    path("", include("audit.urls")),
    path("api/v1/schema", docs.SchemaView.as_view(), name="schema"),
    path("docs/api/", docs.ReferenceView.as_view(url_name="schema"), name="reference"),
    path("docs/errors/", docs.errors, name="errors"),
    path(".well-known/jwks.json", JwksView.as_view(), name="jwks"),
    path("admin/", admin.site.urls),
    # Replaces allauth's page to change the email address. The address identifies the account and an
    # admin assigned it, so changing it would let a person take over someone else's place.
    path("accounts/email/", RedirectView.as_view(pattern_name="profile")),
    path("accounts/sessions/", sessions, name="usersessions_list"),
    # Replaces allauth's sign-up, which stores accounts before their address is confirmed.
    path("accounts/signup/", sign_up_start, name="account_signup"),
    path("accounts/signup/<str:key>/", sign_up_confirm, name="sign_up_confirm"),
    path("accounts/sso/", sso_start, name="sso_start"),
    path("accounts/sso/<slug:slug>/callback/", sso_callback, name="sso_callback"),
    path("accounts/", include("allauth.urls")),
]

handler404 = "config.pages.errors.not_found"
handler500 = "config.pages.errors.server_error"
