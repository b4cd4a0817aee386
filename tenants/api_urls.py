from django.urls import path

from tenants.api import AgentConfigurationView, AgentHeartbeatView

urlpatterns = [
    path("agent/config", AgentConfigurationView.as_view(), name="api_agent_config"),
    path("agent/heartbeat", AgentHeartbeatView.as_view(), name="api_agent_heartbeat"),
]
