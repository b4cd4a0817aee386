from django.urls import path

from tenants.agents.api import AgentConfigurationView, AgentHeartbeatView
from tenants.agents.views import agent_configuration
from tenants.sign_in.api import LoginView, LogoutView, MeView, RefreshView
from tenants.sign_in.views import program_sign_out
from tenants.views import members, settings

MEMBER = "o/<slug:slug>/members/<mem_id:membership_id>"

urlpatterns = [
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
