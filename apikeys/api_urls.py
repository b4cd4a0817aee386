from django.urls import path

from apikeys.api import WhoamiView
from apikeys.keys_api import KeysView, KeyView, RotationView
from apikeys.usage_api import UsageView

urlpatterns = [
    path("whoami", WhoamiView.as_view(), name="api_whoami"),
    path("api-keys", KeysView.as_view(), name="api_keys"),
    path("api-keys/<key_id:key_id>", KeyView.as_view(), name="api_key"),
    path("api-keys/<key_id:key_id>/rotate", RotationView.as_view(), name="api_key_rotate"),
    path("api-keys/<key_id:key_id>/usage", UsageView.as_view(), name="api_key_usage"),
]
