"""Makes a personal API token and prints it, once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studio import tokens
from studio.models import User
from studio.states import Scope


class Command(BaseCommand):
    help = "Print a new personal API token for the person with this email address."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, help="what it may do; may be repeated; all if left out"
        )
        parser.add_argument("--name", default="command line", help="what it is for, shown in the list of tokens")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if person is None:
            raise CommandError(f"No active person has the address {options['email']}.")
        _token, raw = tokens.create(person, options["name"], options["scope"] or Scope.values)
        self.stdout.write(raw)
