"""URLs of the keys API."""

from django.urls import path

from apikeys.api.keys import KeysView, KeyView, RotationView
from apikeys.api.usage import UsageView
from apikeys.api.whoami import WhoamiView

urlpatterns = [
    path("whoami", WhoamiView.as_view(), name="api_whoami"),
    path("api-keys", KeysView.as_view(), name="api_keys"),
    path("api-keys/<key_id:key_id>", KeyView.as_view(), name="api_key"),
    path("api-keys/<key_id:key_id>/rotate", RotationView.as_view(), name="api_key_rotate"),
    path("api-keys/<key_id:key_id>/usage", UsageView.as_view(), name="api_key_usage"),
]
