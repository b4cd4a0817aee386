from django.urls import path

from apikeys.views import (
    agent_keys,
    agents,
    key_requests,
    key_rules,
    overview,
    profile,
    public_keys,
    tenant_agents,
    usage,
)

PUBLIC_KEY = "profile/api-keys/<key_id:key_id>"
AGENT_KEYS = "o/<slug:slug>/agents/api-keys"
REQUESTS = "o/<slug:slug>/key-requests"
REQUEST = f"{REQUESTS}/<req_id:request_id>"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("o/<slug:slug>/", overview.organization_overview, name="organization_overview"),
    path("profile/", profile.profile, name="profile"),
    path("administration/tenant-agents/", tenant_agents.tenant_agents, name="tenant_agents"),
    path("o/<slug:slug>/agents/", agents.agents, name="agents"),
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
    path(
        "o/<slug:slug>/settings/key-rules/", key_rules.settings_key_rules, name="settings_key_rules"
    ),
    path(f"{REQUESTS}/", key_requests.key_requests, name="key_requests"),
    path(f"{REQUEST}/", key_requests.key_request, name="key_request"),
    path(f"{REQUEST}/approve/", key_requests.key_request_approve, name="key_request_approve"),
    path(f"{REQUEST}/refuse/", key_requests.key_request_refuse, name="key_request_refuse"),
    path(f"{REQUEST}/collect/", key_requests.key_request_collect, name="key_request_collect"),
]
