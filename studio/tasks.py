"""What workers do when the doorbell rings: each task makes one call into the domain and may run twice."""

from uuid import UUID

from celery import shared_task

from studio import dispatch, notices, receivers, restores, sweep, tracks, trash


@shared_task(name="studio.dispatch")
def dispatch_waiting(**_: object) -> None:
    dispatch.dispatch()


@shared_task(name="studio.cancel_at_fal")
def cancel_at_fal(*, generation_id: str, **_: object) -> None:
    sweep.cancel_at_fal(UUID(generation_id))


@shared_task(name="studio.look")
def look(**_: object) -> None:
    sweep.look()


@shared_task(name="studio.sweep")
def sweep_once(**_: object) -> None:
    sweep.sweep()


@shared_task(name="studio.ring")
def ring(**_: object) -> None:
    sweep.ring()


@shared_task(name="studio.tidy")
def tidy(**_: object) -> None:
    sweep.tidy()


@shared_task(name="studio.ingest")
def ingest(*, track_id: str, **_: object) -> None:
    tracks.fetch(UUID(track_id))


@shared_task(name="studio.follow_restores")
def follow_restores(**_: object) -> None:
    restores.follow()


@shared_task(name="studio.read_storage")
def read_storage(**_: object) -> None:
    restores.read_storage()


@shared_task(name="studio.empty_trash")
def empty_trash(**_: object) -> None:
    trash.empty()


@shared_task(name="studio.send_messages")
def send_messages(**_: object) -> None:
    receivers.send_due()


@shared_task(name="studio.forget_messages")
def forget_messages(**_: object) -> None:
    receivers.forget_old()


@shared_task(name="studio.mail_long_songs")
def mail_long_songs(**_: object) -> None:
    notices.mail_long_songs()
