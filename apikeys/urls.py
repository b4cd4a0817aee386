from django.urls import path

from apikeys.views import (
    agent_keys,
    agents,
    overview,
    profile,
    public_keys,
    rotation,
    tenant_agents,
    usage,
)

PUBLIC_KEY = "profile/api-keys/<key_id:key_id>"
AGENT_KEYS = "o/<slug:slug>/agents/api-keys"

KEY = "keys/<key_id:key_id>"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("o/<slug:slug>/", overview.organization_overview, name="organization_overview"),
    path("profile/", profile.profile, name="profile"),
    path("administration/tenant-agents/", tenant_agents.tenant_agents, name="tenant_agents"),
    path("o/<slug:slug>/agents/", agents.agents, name="agents"),
    path(f"{KEY}/rotate/", rotation.key_rotate, name="key_rotate"),
    path(f"{KEY}/secrets/<sec_id:secret_id>/end/", rotation.key_end_secret, name="key_end_secret"),
    path("profile/api-keys/new/", public_keys.public_key_new, name="public_key_new"),
    path(f"{PUBLIC_KEY}/revoke/", public_keys.public_key_revoke, name="public_key_revoke"),
    path(f"{PUBLIC_KEY}/pause/", public_keys.public_key_pause, name="public_key_pause"),
    path(f"{PUBLIC_KEY}/resume/", public_keys.public_key_resume, name="public_key_resume"),
    path(f"{PUBLIC_KEY}/usage/", usage.public_key_usage, name="public_key_usage"),
    path(f"{AGENT_KEYS}/", agent_keys.agent_keys, name="agent_keys"),
    path(f"{AGENT_KEYS}/new/", agent_keys.agent_key_new, name="agent_key_new"),
    path(
        f"{AGENT_KEYS}/<key_id:key_id>/delete/",
        agent_keys.agent_key_delete,
        name="agent_key_delete",
    ),
    path(
        f"{AGENT_KEYS}/<key_id:key_id>/pause/", agent_keys.agent_key_pause, name="agent_key_pause"
    ),
    path(
        f"{AGENT_KEYS}/<key_id:key_id>/resume/",
        agent_keys.agent_key_resume,
        name="agent_key_resume",
    ),
    path(f"{AGENT_KEYS}/<key_id:key_id>/usage/", usage.agent_key_usage, name="agent_key_usage"),
]
