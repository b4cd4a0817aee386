from django.urls import path

from audit.api import AgentEventsView, AuditActivityView

urlpatterns = [
    path("agent/events", AgentEventsView.as_view(), name="api_agent_events"),
    path("public/audit-activity", AuditActivityView.as_view(), name="api_audit_activity"),
]
