from django.urls import path

from tenants.views import agents, configuration, members, profile, sessions, tenant_agents

MEMBER = "o/<slug:slug>/members/<mem_id:membership_id>"

urlpatterns = [
    path("profile/", profile.profile, name="profile"),
    path(
        "profile/programs/<fam_id:family_id>/sign-out/",
        sessions.program_sign_out,
        name="program_sign_out",
    ),
    path("administration/tenant-agents/", tenant_agents.tenant_agents, name="tenant_agents"),
    path("o/<slug:slug>/agents/", agents.agents, name="agents"),
    path(
        "o/<slug:slug>/agents/configuration/",
        configuration.agent_configuration,
        name="agent_configuration",
    ),
    path("o/<slug:slug>/members/", members.members, name="members"),
    path("o/<slug:slug>/members/add/", members.member_add, name="member_add"),
    path(f"{MEMBER}/role/", members.member_role, name="member_role"),
    path(f"{MEMBER}/deactivate/", members.member_deactivate, name="member_deactivate"),
    path(f"{MEMBER}/reactivate/", members.member_reactivate, name="member_reactivate"),
    path(f"{MEMBER}/remove/", members.member_remove, name="member_remove"),
]
