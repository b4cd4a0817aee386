"""URLs of the keys API."""

from django.urls import path

from apikeys.api.key_requests import CollectionView, KeyRequestsView, KeyRequestView
from apikeys.api.key_rules import KeyRulesView
from apikeys.api.keys import KeysView, KeyView, RotationView
from apikeys.api.usage import UsageView
from apikeys.api.whoami import WhoamiView

urlpatterns = [
    path("whoami", WhoamiView.as_view(), name="api_whoami"),
    path("api-keys", KeysView.as_view(), name="api_keys"),
    path("api-keys/<key_id:key_id>", KeyView.as_view(), name="api_key"),
    path("api-keys/<key_id:key_id>/rotate", RotationView.as_view(), name="api_key_rotate"),
    path("api-keys/<key_id:key_id>/usage", UsageView.as_view(), name="api_key_usage"),
    path("key-requests", KeyRequestsView.as_view(), name="api_key_requests"),
    path("key-requests/<req_id:request_id>", KeyRequestView.as_view(), name="api_key_request"),
    path(
        "key-requests/<req_id:request_id>/collect",
        CollectionView.as_view(),
        name="api_key_request_collect",
    ),
    path(
        "organizations/<org_id:organization_id>/key-rules",
        KeyRulesView.as_view(),
        name="api_key_rules",
    ),
]
