"""Recomputes every budget from its entries."""

from typing import Any

from django.core.management.base import BaseCommand

from ledger import audit


class Command(BaseCommand):
    help = "Recompute every budget from its entries; exit 1 where the books say anything else."

    def handle(self, *args: Any, **options: Any) -> None:
        found = audit.run()
        for drift in found.drifts:
            where = f" in budget {drift['budget']}" if drift["budget"] else ""
            self.stdout.write(f"DRIFT{where}: not so: {drift['rule']}. {drift['books']} against {drift['entries']}")
        self.stdout.write(f"{found.budgets} budgets, {found.entries} entries, {len(found.drifts)} drifts")
        if found.drifts:
            raise SystemExit(1)
