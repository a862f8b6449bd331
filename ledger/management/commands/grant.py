"""Adds to a person's budget of this month."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from ledger import operations, queries
from ledger.errors import LedgerError
from ledger.money import display_dollars, parse_dollars


class Command(BaseCommand):
    help = "Add dollars to a person's budget of this month, with the reason for the books."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("dollars", help="like 5 or 2.50")
        parser.add_argument("reason")

    def handle(self, *args: Any, **options: Any) -> None:
        person = get_user_model().objects.filter(email__iexact=options["email"]).first()
        if person is None:
            raise CommandError(f"Nobody has the address {options['email']}.")
        if not options["reason"].strip():
            raise CommandError("The books need a reason.")
        try:
            operations.grant(
                person=person,
                amount_micros=parse_dollars(options["dollars"]),
                reference=f"grant:{secrets.token_hex(8)}",
                reason=options["reason"].strip(),
                author=None,
            )
        except LedgerError as error:
            raise CommandError(f"{error.message} {error.hint}".strip()) from None
        balance = queries.balance(person)
        self.stdout.write(
            f"{display_dollars(balance.available_micros)} of {display_dollars(balance.granted_micros)} left."
        )
