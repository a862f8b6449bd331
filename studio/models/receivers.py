"""Systems of the organisation that want to hear of songs, and what each is told. No rules but constraints."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from studio.models.songs import Generation
from studio.states import MessageState


class Receiver(models.Model):
    """A system of the organisation's own. Its secret signs what it is sent; nobody is shown it a second time."""

    name = models.CharField(max_length=80)
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=80)
    # Signs as well for a day, so that the other side can change over without a gap.
    secret_before = models.CharField(max_length=80, blank=True, default="")
    rotated_at = models.DateTimeField(null=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["url"], name="receiver_url_once"),
            models.CheckConstraint(condition=~Q(secret=""), name="receiver_has_secret"),
        ]

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """One event on its way to one receiver: the queue of record. The id stays the same however often it is sent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    receiver = models.ForeignKey(Receiver, on_delete=models.CASCADE, related_name="messages")
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="+")
    event = models.CharField(max_length=20)
    # Byte for byte what is sent, for it is what is signed.
    body = models.TextField()
    state = models.CharField(max_length=12, choices=MessageState.choices, default=MessageState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    run_at = models.DateTimeField(db_default=Now())
    leased_until = models.DateTimeField(null=True)
    answer = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("resend_message", "Can send a message again")]
        indexes = [
            models.Index(fields=["run_at"], condition=Q(state="WAITING"), name="message_waiting"),
            models.Index(fields=["receiver", "-created_at"], name="message_of_receiver"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="message_ended"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=MessageState.values), name="message_state_known"),
            models.CheckConstraint(
                condition=Q(state="WAITING", ended_at=None) | (~Q(state="WAITING") & Q(ended_at__isnull=False)),
                name="message_ended_when_final",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.id}"
