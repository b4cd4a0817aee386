from django.urls import path

from audit.views import activity, trail
from config.lib import converters  # noqa: F401  registers evt_id

urlpatterns = [
    path("o/<slug:slug>/activity/", activity.activity_page, name="activity"),
    path(
        "o/<slug:slug>/activity/<evt_id:event_id>/", activity.activity_event, name="activity_event"
    ),
    path("o/<slug:slug>/audit-log/", trail.audit_log, name="audit_log"),
]
