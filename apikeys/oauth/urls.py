from django.urls import path

from apikeys.oauth.views import applications, authorize, connections, endpoints

APPLICATIONS = "o/<slug:slug>/applications"
APPLICATION = f"{APPLICATIONS}/<app_id:application_id>"

urlpatterns = [
    path("oauth/authorize", authorize.authorize, name="oauth_authorize"),
    path("oauth/token", endpoints.token, name="oauth_token"),
    path("oauth/revoke", endpoints.revoke, name="oauth_revoke"),
    path("oauth/introspect", endpoints.introspect, name="oauth_introspect"),
    path(".well-known/oauth-authorization-server", endpoints.metadata, name="oauth_metadata"),
    path(f"{APPLICATIONS}/", applications.applications, name="applications"),
    path(f"{APPLICATIONS}/new/", applications.application_new, name="application_new"),
    path(f"{APPLICATION}/", applications.application_edit, name="application_edit"),
    path(f"{APPLICATION}/secret/", applications.application_secret, name="application_secret"),
    path(f"{APPLICATION}/disable/", applications.application_disable, name="application_disable"),
    path(f"{APPLICATION}/enable/", applications.application_enable, name="application_enable"),
    path(f"{APPLICATION}/delete/", applications.application_delete, name="application_delete"),
    path(
        "profile/applications/<app_id:application_id>/withdraw/",
        connections.withdraw,
        name="connection_withdraw",
    ),
]
