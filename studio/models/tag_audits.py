"""When the style tags were compared with Sonauto's."""

from django.db import models
from django.db.models.functions import Now


class TagAudit(models.Model):
    """One comparison of the taxonomy with a saved page of Sonauto's: how many tags it has more, fewer, elsewhere."""

    at = models.DateTimeField(db_default=Now())
    known = models.PositiveIntegerField()
    added = models.PositiveIntegerField()
    gone = models.PositiveIntegerField()
    moved = models.PositiveIntegerField()

    class Meta:
        get_latest_by = "at"

    def __str__(self) -> str:
        return f"tags compared on {self.at:%Y-%m-%d}"
