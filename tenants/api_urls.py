from django.urls import path

from tenants.api import AgentConfigurationView, AgentHeartbeatView
from tenants.auth_api import LoginView, LogoutView, MeView, RefreshView

urlpatterns = [
    path("agent/config", AgentConfigurationView.as_view(), name="api_agent_config"),
    path("agent/heartbeat", AgentHeartbeatView.as_view(), name="api_agent_heartbeat"),
    path("auth/login", LoginView.as_view(), name="api_login"),
    path("auth/refresh", RefreshView.as_view(), name="api_refresh"),
    path("auth/logout", LogoutView.as_view(), name="api_logout"),
    path("auth/me", MeView.as_view(), name="api_me"),
]
