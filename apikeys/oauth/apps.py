from django.apps import AppConfig


class OAuthConfig(AppConfig):
    name = "apikeys.oauth"
    label = "oauth"
    verbose_name = "OAuth"
