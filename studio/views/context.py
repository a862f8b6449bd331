"""What every page shows around its own content: the budget line and the chosen theme."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ledger.queries import Balance, balance

THEME_COOKIE = "neoapex_theme"
THEMES = ("dark", "light")


def budget_line(request: HttpRequest) -> dict[str, object]:
    """`budget`, the month's balance of the person (nothing for strangers), and `theme`, "" where the system decides.

    The balance is read when a template first looks at it: an error page does not, so it works without a database.
    """
    theme = request.COOKIES.get(THEME_COOKIE, "")
    shown: dict[str, object] = {"theme": theme} if theme in THEMES else {}
    if settings.SESSION_COOKIE_NAME in request.COOKIES and hasattr(request, "user"):
        shown["budget"] = SimpleLazyObject(lambda: _balance(request))
    return shown


def _balance(request: HttpRequest) -> Balance | None:
    return balance(request.user) if request.user.is_authenticated else None
