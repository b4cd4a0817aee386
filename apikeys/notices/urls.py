from django.urls import path

from apikeys.notices.views import settings, webhooks

WEBHOOK = "o/<slug:slug>/settings/webhooks/<whk_id:webhook_id>"

urlpatterns = [
    path("profile/notifications/", settings.my_notifications, name="profile_notifications"),
    path(
        "o/<slug:slug>/settings/notifications/",
        settings.notifications,
        name="settings_notifications",
    ),
    path("o/<slug:slug>/settings/webhooks/new/", webhooks.webhook_new, name="webhook_new"),
    path(f"{WEBHOOK}/", webhooks.webhook, name="webhook"),
    path(f"{WEBHOOK}/edit/", webhooks.webhook_edit, name="webhook_edit"),
    path(f"{WEBHOOK}/secret/", webhooks.webhook_secret, name="webhook_secret"),
    path(f"{WEBHOOK}/disable/", webhooks.webhook_disable, name="webhook_disable"),
    path(f"{WEBHOOK}/enable/", webhooks.webhook_enable, name="webhook_enable"),
    path(f"{WEBHOOK}/delete/", webhooks.webhook_delete, name="webhook_delete"),
    path(f"{WEBHOOK}/test/", webhooks.webhook_test, name="webhook_test"),
    path(
        f"{WEBHOOK}/<dlv_id:delivery_id>/redeliver/",
        webhooks.webhook_redeliver,
        name="webhook_redeliver",
    ),
]
