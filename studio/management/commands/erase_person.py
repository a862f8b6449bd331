"""Forgets one person: who it was, what they wrote, and their songs. The books stay."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studio import personal_data
from studio.errors import StudioError
from studio.models import User


class Command(BaseCommand):
    help = "Erase the person with this email address for good. The lines of the books stay, under nobody's name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--author", required=True, help="the address of the admin who decided it")
        parser.add_argument("--reason", required=True, help="why; it stays in the admin's log")

    def handle(self, *args: Any, **options: Any) -> None:
        person = self._find(email__iexact=options["email"])
        author = self._find(email__iexact=options["author"], is_superuser=True, is_active=True)
        try:
            gone = personal_data.erase(person, author=author, reason=options["reason"])
        except StudioError as error:
            raise CommandError(f"{error.message} {error.hint}") from None
        self.stdout.write(f"Now {gone.email}. The files go with the next emptying of the trash.")

    def _find(self, **known: object) -> User:
        person = User.objects.filter(**known).first()
        if person is None:
            raise CommandError(f"Nobody, or no admin, has the address {known['email__iexact']}.")
        return person
