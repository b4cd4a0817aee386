from django.urls import path

from apikeys.dialects import ascend, dbaudit

ascend_urlpatterns = [
    path("generate", ascend.GenerateView.as_view(), name="ascend_generate"),
    path("list", ascend.ListView.as_view(), name="ascend_list"),
    path("<key_id:key_id>/usage", ascend.AscendUsageView.as_view(), name="ascend_usage"),
    path("<key_id:key_id>/revoke", ascend.RevokeView.as_view(), name="ascend_revoke"),
]
dbaudit_urlpatterns = [
    path("auth/login", dbaudit.DbAuditLoginView.as_view(), name="dbaudit_login"),
    path("auth/refresh", dbaudit.DbAuditRefreshView.as_view(), name="dbaudit_refresh"),
]
