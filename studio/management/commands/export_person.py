"""Prints all that is kept of one person."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from studio import personal_data
from studio.models import User


class Command(BaseCommand):
    help = "Print everything that is kept of the person with this email address, as JSON. The audio is in the studio."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(email__iexact=options["email"]).first()
        if person is None:
            raise CommandError(f"Nobody has the address {options['email']}.")
        json.dump(personal_data.export(person), self.stdout, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False)
        self.stdout.write()
