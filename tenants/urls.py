from django.urls import path

from tenants.agents.api import AgentConfigurationView, AgentHeartbeatView
from tenants.agents.views import agent_configuration
from tenants.sign_in.api import LoginView, LogoutView, MeView, RefreshView
from tenants.sign_in.views import program_sign_out, session_sign_out
from tenants.views import members, organizations, settings, single_sign_on

ORGANIZATIONS = "administration/organizations"
SSO = "o/<slug:slug>/single-sign-on"
MEMBER = "o/<slug:slug>/members/<mem_id:membership_id>"

urlpatterns = [
    path(
        "profile/sessions/<int:session_id>/sign-out/",
        session_sign_out,
        name="session_sign_out",
    ),
    path(
        "profile/programs/<fam_id:family_id>/sign-out/",
        program_sign_out,
        name="program_sign_out",
    ),
    path(
        "o/<slug:slug>/agents/configuration/",
        agent_configuration,
        name="agent_configuration",
    ),
    path(f"{ORGANIZATIONS}/", organizations.organizations, name="organizations"),
    path(f"{ORGANIZATIONS}/new/", organizations.organization_new, name="organization_new"),
    path(
        f"{ORGANIZATIONS}/<slug:slug>/rename/",
        organizations.organization_rename,
        name="organization_rename",
    ),
    path(
        f"{ORGANIZATIONS}/<slug:slug>/suspend/",
        organizations.organization_suspend,
        name="organization_suspend",
    ),
    path(
        f"{ORGANIZATIONS}/<slug:slug>/resume/",
        organizations.organization_resume,
        name="organization_resume",
    ),
    path(
        f"{ORGANIZATIONS}/<slug:slug>/domain/",
        single_sign_on.organization_domain,
        name="organization_domain",
    ),
    path(f"{SSO}/", single_sign_on.single_sign_on, name="single_sign_on"),
    path(f"{SSO}/provider/", single_sign_on.sso_provider, name="sso_provider"),
    path(f"{SSO}/provider/remove/", single_sign_on.sso_provider_remove, name="sso_provider_remove"),
    path(f"{SSO}/domains/add/", single_sign_on.sso_domain_add, name="sso_domain_add"),
    path(f"{SSO}/domains/<dom_id:domain_id>/", single_sign_on.sso_domain, name="sso_domain"),
    path(
        f"{SSO}/domains/<dom_id:domain_id>/remove/",
        single_sign_on.sso_domain_remove,
        name="sso_domain_remove",
    ),
    path("o/<slug:slug>/settings/", settings.settings_general, name="settings_general"),
    path("o/<slug:slug>/members/", members.members, name="members"),
    path("o/<slug:slug>/members/add/", members.member_add, name="member_add"),
    path(f"{MEMBER}/role/", members.member_role, name="member_role"),
    path(f"{MEMBER}/deactivate/", members.member_deactivate, name="member_deactivate"),
    path(f"{MEMBER}/reactivate/", members.member_reactivate, name="member_reactivate"),
    path(f"{MEMBER}/remove/", members.member_remove, name="member_remove"),
]

api_urlpatterns = [
    path("agent/config", AgentConfigurationView.as_view(), name="api_agent_config"),
    path("agent/heartbeat", AgentHeartbeatView.as_view(), name="api_agent_heartbeat"),
    path("auth/login", LoginView.as_view(), name="api_login"),
    path("auth/refresh", RefreshView.as_view(), name="api_refresh"),
    path("auth/logout", LogoutView.as_view(), name="api_logout"),
    path("auth/me", MeView.as_view(), name="api_me"),
]
