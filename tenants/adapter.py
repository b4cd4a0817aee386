from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from config.client_ip import client_ip


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Sign-in as Keyway wants it: nobody registers alone, and the client's address comes from one setting."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request.META)
