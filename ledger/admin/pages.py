"""What the admin's own pages share: their frame, their permissions, and the line in the log for every act."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.forms import Form
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ledger.errors import LedgerError, ReasonMissing

Crumb = tuple[str, str]
LINES_AT_ONCE = 1000


def page(
    request: HttpRequest, template: str, title: str, crumbs: Sequence[Crumb] = (), **context: Any
) -> TemplateResponse:
    """A page in the admin's frame; `crumbs` are (text, address) from the start to here."""
    shared = admin.site.each_context(request)
    return TemplateResponse(request, template, {**shared, "title": title, "crumbs": crumbs, **context})


def person_of(request: HttpRequest) -> AbstractBaseUser:
    """Whoever asks; the admin's pages are not shown to strangers."""
    assert isinstance(request.user, AbstractBaseUser)  # noqa: S101 - admin_view let nobody else in
    return request.user


def log(author: AbstractBaseUser, rows: Iterable[tuple[models.Model, str]]) -> None:
    """Write into Django's log who did what to each of these rows; any number of them in few statements."""
    lines = [
        LogEntry(
            user_id=author.pk,
            content_type_id=ContentType.objects.get_for_model(row).pk,
            object_id=str(row.pk),
            object_repr=str(row)[:200],
            action_flag=CHANGE,
            change_message=text,
        )
        for row, text in rows
    ]
    LogEntry.objects.bulk_create(lines, batch_size=LINES_AT_ONCE)


def with_reason(text: str, reason: str) -> str:
    return _("%(what)s Reason: %(reason)s") % {"what": text, "reason": reason}


def show_error(form: Form, error: LedgerError) -> None:
    """Put what the ledger refused beside the field that it is about."""
    field = "reason" if isinstance(error, ReasonMissing) else "amount" if "amount" in form.fields else None
    form.add_error(field, f"{error.message} {error.hint}")
