from django.urls import path

from audit.activity.api import AgentEventsView, AuditActivityView
from audit.activity.views import activity_event, activity_page
from audit.trail.views import audit_log

ACTIVITY = "o/<slug:slug>/activity"

urlpatterns = [
    path(f"{ACTIVITY}/", activity_page, name="activity"),
    path(f"{ACTIVITY}/<evt_id:event_id>/", activity_event, name="activity_event"),
    path("o/<slug:slug>/audit-log/", audit_log, name="audit_log"),
]

api_urlpatterns = [
    path("agent/events", AgentEventsView.as_view(), name="api_agent_events"),
    path("public/audit-activity", AuditActivityView.as_view(), name="api_audit_activity"),
]
