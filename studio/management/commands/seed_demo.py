"""Makes the demo musician and the admin of an embedded studio, and the links that log them in."""

import json
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from sesame.utils import get_token

from studio.models import User

MUSICIAN = "demo@example.com"
ADMIN = "admin@example.com"


def login_path(person: User, to: str) -> str:
    return f"{reverse('welcome')}?{urlencode({'next': to, 'sesame': get_token(person)})}"


class Command(BaseCommand):
    help = "Make the demo musician and the admin (embedded mode only)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--print-links", action="store_true", help="print one-time login links as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EMBEDDED:
            raise CommandError("Demo accounts exist in embedded mode only.")
        musician = User.objects.filter(email=MUSICIAN).first() or User.objects.create_user(MUSICIAN)
        admin = User.objects.filter(email=ADMIN).first() or User.objects.create_superuser(ADMIN)
        for person in (musician, admin):
            # Nobody reads mail there, and a second factor wants an address that is confirmed.
            EmailAddress.objects.update_or_create(
                user=person, email=person.email, defaults={"primary": True, "verified": True}
            )
        if options["print_links"]:
            links = {
                "studio": login_path(musician, reverse("studio")),
                "admin": login_path(admin, reverse("admin:index")),
            }
            self.stdout.write(json.dumps(links))
