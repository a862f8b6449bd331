"""What workers do with deliveries when the doorbell rings."""

from celery import shared_task

from webhooks import deliveries


@shared_task(name="webhooks.process_waiting")
def process_waiting(**_: object) -> None:
    deliveries.process_waiting()


@shared_task(name="webhooks.forget_old")
def forget_old(**_: object) -> None:
    deliveries.forget_old()
