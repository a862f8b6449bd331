"""What every page shows around its own content: the budget line with its warning, and the chosen theme."""

from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ledger import organisation, quotas
from ledger.queries import Balance, balance
from studio import pricing
from studio.endpoints import ENDPOINTS

THEME_COOKIE = "neoapex_theme"
THEMES = ("dark", "light")

# What keeps a person from new songs, or soon will: the first that is true. "full" is the organisation's own cap.
BudgetWarning = Literal["", "frozen", "full", "nothing", "out", "near"]


def budget_line(request: HttpRequest) -> dict[str, object]:
    """`budget`, the month's balance of the person (nothing for strangers), `budget_warning`, and `theme`.

    The theme is "" where the system decides. The money is read when a template first looks at it: an error page does
    not, so it works without a database.
    """
    theme = request.COOKIES.get(THEME_COOKIE, "")
    shown: dict[str, object] = {"theme": theme} if theme in THEMES else {}
    if settings.SESSION_COOKIE_NAME in request.COOKIES and hasattr(request, "user"):
        budget = SimpleLazyObject(lambda: _balance(request))
        shown |= {"budget": budget, "budget_warning": SimpleLazyObject(lambda: _warning(request, budget))}
    return shown


def _balance(request: HttpRequest) -> Balance | None:
    return balance(request.user) if request.user.is_authenticated else None


def _warning(request: HttpRequest, budget: Any) -> BudgetWarning:
    if not request.user.is_authenticated:
        return ""
    if quotas.is_frozen(request.user):
        return "frozen"
    left = organisation.left_micros()
    if left is not None and left < min(pricing.price_micros(key, 1) for key in ENDPOINTS):
        return "full"
    return _use(budget)


def _use(budget: Balance) -> BudgetWarning:
    used = budget.held_micros + budget.spent_micros
    if used >= budget.granted_micros:
        return "out" if budget.granted_micros else "nothing"
    return "near" if 5 * used >= 4 * budget.granted_micros else ""
