from django.urls import path

from apikeys.api import WhoamiView
from apikeys.usage_api import UsageView
from config import converters  # noqa: F401  registers key_id

urlpatterns = [
    path("whoami", WhoamiView.as_view(), name="api_whoami"),
    path("api-keys/<key_id:key_id>/usage", UsageView.as_view(), name="api_key_usage"),
]
