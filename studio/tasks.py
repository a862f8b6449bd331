"""What workers do when the doorbell rings: each task makes one call into the domain and may run twice."""

from uuid import UUID

from celery import shared_task

from studio import dispatch, notices, sweep, tracks


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


@shared_task(name="studio.mail_long_songs")
def mail_long_songs(**_: object) -> None:
    notices.mail_long_songs()
