"""Mails to people who asked for them: a song that took long has ended."""

import logging
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.db.models.functions import Greatest, Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from studio import queries
from studio.models import Generation, User
from studio.states import GenerationState as State

logger = logging.getLogger(__name__)

LONG: Final = timedelta(minutes=5)
# Whoever switches it on gets no mails about last week, and a mail server that was away gets what it missed.
WITHIN: Final = timedelta(hours=6)
BATCH: Final = 50


def choose(person: User, *, mails_long_songs: bool) -> None:
    person.mails_long_songs = mails_long_songs
    person.save(update_fields=["mails_long_songs"])


def mail_long_songs() -> int:
    """One mail for each song that ended after more than five minutes, ready or failed. Says how many went out."""
    ended = Generation.objects.filter(
        person__mails_long_songs=True,
        person__is_active=True,
        state__in=(State.READY, State.FAILED),
        mailed_at=None,
        finished_at__gte=Greatest(F("created_at") + LONG, timezone.now() - WITHIN),
    )
    wanted = ended.select_related("person").order_by("finished_at")[:BATCH]
    return sum(_mail(generation) for generation in wanted)


def _mail(generation: Generation) -> bool:
    """Should it not get out, the next round tries again."""
    mine = Generation.objects.filter(pk=generation.pk)
    if not mine.filter(mailed_at=None).update(mailed_at=Now()):
        return False
    card = queries.card(generation.person, generation.pk)
    base = settings.NEOAPEX_PUBLIC_URL or f"http://127.0.0.1:{settings.NEOAPEX_PORT}"
    shown = {"card": card, "address": f"{base}{reverse('song', args=[generation.pk])}"}
    text = render_to_string("studio/long_song.txt", shown)
    subject = _("Neo-Apex: your song is ready") if card.phase == "ready" else _("Neo-Apex: your song failed")
    try:
        EmailMessage(subject, text, to=[generation.person.email]).send()
    except OSError as error:
        logger.warning("mail not sent", extra={"generation": str(generation.pk), "error": type(error).__name__})
        mine.update(mailed_at=None)
        return False
    return True
