"""How a person leaves: deactivated, or anonymised. Never deleted, so that the books stay whole."""

import re
from collections.abc import Iterable

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from studio import admin_log, live, settling
from studio.errors import LastAdmin, NotFound, WhyMissing
from studio.models import AccessToken, Draft, Generation, IdempotencyKey, Member, Preset, User, Verdict
from studio.states import GenerationState as State

# Reserved for what leads nowhere: nobody has an address there.
NOBODYS_DOMAIN = "anonymous.invalid"


def deactivate(person: User, *, author: User, reason: str) -> User:
    """Let nobody in under this name any more, and take what waits out of line. What fal has runs to its end.

    Sessions, tokens and event streams end. Harmless to repeat. Returns the person as they are now.

    :raises WhyMissing: nothing was changed.
    :raises LastAdmin: nor here; the studio would have no admin left.
    :raises NotFound: there is no such person any more.
    """
    why = _given(reason)
    with transaction.atomic():
        current = _locked(person)
        was_active = current.is_active
        _shut_out(current)
        if was_active:
            admin_log.record(author, current, _("Deactivated. Reason: %(why)s") % {"why": why})
    return current


def anonymise(person: User, *, author: User, reason: str) -> User:
    """Deactivate, and forget for good who it was. Songs with their words, and every line of the books, stay.

    Harmless to repeat. Returns what is left of the person.

    :raises WhyMissing, LastAdmin, NotFound: as `deactivate`.
    """
    why = _given(reason)
    with transaction.atomic():
        current = _locked(person)
        _shut_out(current)
        if current.email != _nobodys_address(current):
            _forget(current)
            admin_log.record(author, current, _("Anonymised. Reason: %(why)s") % {"why": why})
    return current


def _given(reason: str) -> str:
    if not reason.strip():
        raise WhyMissing
    return reason.strip()


def _locked(person: User) -> User:
    """The person's row, locked as a start of theirs locks it, and with it those of all admins: two can't both be
    the last but one."""
    admins = Q(is_superuser=True, is_active=True)
    rows = User.objects.select_for_update(no_key=True).filter(admins | Q(pk=person.pk)).order_by("pk")
    locked = {row.pk: row for row in rows}
    current = locked.pop(person.pk, None)
    if current is None:
        raise NotFound
    if current.is_active and current.is_superuser and not locked:
        raise LastAdmin
    return current


def _shut_out(person: User) -> None:
    person.is_active = False
    person.save(update_fields=["is_active"])
    _end_sessions(person)
    AccessToken.objects.filter(person=person, revoked_at=None).update(revoked_at=Now())
    _empty_line(person)
    live.end_streams_on_commit(person.pk)


def _end_sessions(person: User) -> None:
    """Whose a session is stands inside it, so all that are still good are looked into."""
    good = Session.objects.filter(expire_date__gt=timezone.now()).iterator(chunk_size=1000)
    theirs = [session.pk for session in good if session.get_decoded().get(SESSION_KEY) == str(person.pk)]
    Session.objects.filter(pk__in=theirs).delete()


def _empty_line(person: User) -> None:
    # All are locked before money moves: whoever cancels one of them has it first and waits for the budget then. Those
    # just sent too, for fal may be handing one back that would wait again.
    sent_or_waiting = Generation.objects.of(person).filter(state__in=(State.QUEUED, State.SUBMITTED))
    for generation in list(sent_or_waiting.select_for_update().order_by("pk")):
        if generation.state == State.QUEUED:
            settling.withdraw_closed(generation)


# --- Forgetting ------------------------------------------------------------------------------------------------------


def _forget(person: User) -> None:
    addresses = EmailAddress.objects.filter(user=person)
    known_as = {person.email, *addresses.values_list("email", flat=True)}
    person.email = _nobodys_address(person)
    person.first_name = person.last_name = ""
    person.is_staff = person.is_superuser = False
    person.set_unusable_password()
    person.save(update_fields=["email", "first_name", "last_name", "is_staff", "is_superuser", "password"])
    person.groups.clear()
    person.user_permissions.clear()
    addresses.delete()
    Authenticator.objects.filter(user=person).delete()
    LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=str(person.pk)).update(
        object_repr=person.email
    )
    # The names of tokens and keys are the person's own words, and neither opens anything any more.
    AccessToken.objects.filter(person=person).delete()
    IdempotencyKey.objects.filter(person=person).delete()
    # Words that were not made into a song yet are nobody's any more.
    Draft.objects.filter(person=person).delete()
    Preset.objects.filter(person=person).delete()
    Member.objects.filter(person=person).delete()
    Verdict.objects.filter(experiment__person=person).update(note="")
    _forget_in_log(known_as, person.email)


def _nobodys_address(person: User) -> str:
    return f"gone-{person.pk}@{NOBODYS_DOMAIN}"


def _forget_in_log(addresses: Iterable[str], instead: str) -> None:
    """The admin's log names people by their address, in lines about other rows too."""
    for address in addresses:
        whole = re.compile(rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)", re.IGNORECASE)
        naming = LogEntry.objects.filter(Q(object_repr__icontains=address) | Q(change_message__icontains=address))
        for line in naming:
            line.object_repr = whole.sub(instead, line.object_repr)[:200]
            line.change_message = whole.sub(instead, line.change_message)
            line.save(update_fields=["object_repr", "change_message"])
