"""The admin's log: who did what to which row, and why."""

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model

from studio.models import User


def record(author: User, row: Model, text: str) -> None:
    """Write the line that the row's history shows, in the transaction of the act itself."""
    LogEntry.objects.log_actions(author.pk, [row], CHANGE, change_message=text, single_object=True)


def record_act(author: User, what: str, text: str) -> None:
    """The same for what is no row: it stands among the author's latest acts."""
    LogEntry.objects.create(user_id=author.pk, object_repr=what, action_flag=CHANGE, change_message=text)
