from django.urls import path

from apikeys.views import (
    agent_keys,
    agents,
    hand_over,
    key,
    key_edit,
    key_end,
    key_requests,
    key_rules,
    overview,
    profile,
    public_keys,
    rotation,
    settings_keys,
    several_keys,
    tenant_agents,
    usage,
)

KEY = "keys/<key_id:key_id>"
AGENT_KEYS = "o/<slug:slug>/agents/api-keys"
SETTINGS_KEYS = "o/<slug:slug>/settings/api-keys"
REQUESTS = "o/<slug:slug>/key-requests"
REQUEST = f"{REQUESTS}/<req_id:request_id>"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("o/<slug:slug>/", overview.organization_overview, name="organization_overview"),
    path("profile/", profile.profile, name="profile"),
    path("administration/tenant-agents/", tenant_agents.tenant_agents, name="tenant_agents"),
    path("o/<slug:slug>/agents/", agents.agents, name="agents"),
    path(f"{KEY}/rotate/", rotation.key_rotate, name="key_rotate"),
    path(f"{KEY}/secrets/<sec_id:secret_id>/end/", rotation.key_end_secret, name="key_end_secret"),
    path("profile/api-keys/new/", public_keys.public_key_new, name="public_key_new"),
    path(f"{AGENT_KEYS}/", agent_keys.agent_keys, name="agent_keys"),
    path(f"{AGENT_KEYS}/new/", agent_keys.agent_key_new, name="agent_key_new"),
    path(
        f"{AGENT_KEYS}/<key_id:key_id>/delete/",
        agent_keys.agent_key_delete,
        name="agent_key_delete",
    ),
    path(f"{SETTINGS_KEYS}/", settings_keys.settings_api_keys, name="settings_api_keys"),
    path(f"{SETTINGS_KEYS}/new/", public_keys.settings_key_new, name="settings_key_new"),
    path(f"{SETTINGS_KEYS}/pause/", several_keys.settings_keys_pause, name="settings_keys_pause"),
    path(
        f"{SETTINGS_KEYS}/revoke/", several_keys.settings_keys_revoke, name="settings_keys_revoke"
    ),
    path(f"{KEY}/", key.show_key, name="key"),
    path(f"{KEY}/edit/", key_edit.key_edit, name="key_edit"),
    path(f"{KEY}/pause/", key_end.key_pause, name="key_pause"),
    path(f"{KEY}/resume/", key_end.key_resume, name="key_resume"),
    path(f"{KEY}/revoke/", key_end.key_revoke, name="key_revoke"),
    path(f"{KEY}/usage/", usage.key_usage, name="key_usage"),
    path(f"{KEY}/hand-over/", hand_over.key_hand_over, name="key_hand_over"),
    path(
        f"{KEY}/hand-over/withdraw/",
        hand_over.key_withdraw,
        name="key_hand_over_withdraw",
    ),
    path(
        "hand-overs/<hov_id:hand_over_id>/accept/",
        hand_over.hand_over_accept,
        name="hand_over_accept",
    ),
    path(
        "hand-overs/<hov_id:hand_over_id>/decline/",
        hand_over.hand_over_decline,
        name="hand_over_decline",
    ),
    path(
        "o/<slug:slug>/settings/key-rules/", key_rules.settings_key_rules, name="settings_key_rules"
    ),
    path(f"{REQUESTS}/", key_requests.key_requests, name="key_requests"),
    path(f"{REQUEST}/", key_requests.key_request, name="key_request"),
    path(f"{REQUEST}/approve/", key_requests.key_request_approve, name="key_request_approve"),
    path(f"{REQUEST}/refuse/", key_requests.key_request_refuse, name="key_request_refuse"),
    path(f"{REQUEST}/collect/", key_requests.key_request_collect, name="key_request_collect"),
]
