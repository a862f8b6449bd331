"""What a person writes before there is a song: a draft, and recipes saved under a name."""

from django.db import models
from django.db.models.functions import Lower, Now

from studio.models.people import User


class Draft(models.Model):
    """What a person is writing in the composer, in the names of its form."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    fields = models.JSONField()
    # Which browser wrote it, and when by its own clock: what it sent before may arrive after.
    writer = models.CharField(max_length=40, blank=True, default="")
    written_ms = models.BigIntegerField(default=0)
    saved_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"draft of {self.person_id}"


class Preset(models.Model):
    """A recipe that a person saved under a name, in the names of the composer's form."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    fields = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("person", Lower("name"), name="preset_name_once")]

    def __str__(self) -> str:
        return self.name
