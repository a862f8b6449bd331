"""Who may make an account, and how the pages for that answer."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return bool(settings.NEOAPEX_SIGNUP)

    def is_ajax(self, request: HttpRequest) -> bool:
        """allauth would answer programs in JSON of its own shape; these pages are for people.

        But for one thing: what a browser has to sign to log in with a passkey, a script asks for.
        """
        return request.method == "GET" and request.path == reverse("mfa_login_webauthn")
