"""The admin's money: windows on the books, quotas to set, and the few acts that book something."""

from ledger.admin import books, organisation, quotas
from ledger.admin.windows import BoundedPaginator, WindowAdmin

__all__ = ["BoundedPaginator", "WindowAdmin", "books", "organisation", "quotas"]
