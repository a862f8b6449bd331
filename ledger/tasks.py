"""What workers do for the ledger by the clock."""

from celery import shared_task

from ledger import audit


@shared_task(name="ledger.audit")
def audit_nightly(**_: object) -> None:
    audit.run()
