"""The studio's settings with a broker that gives a task to another worker while the first is still at it."""

from neoapex import settings as real
from neoapex.settings import *  # noqa: F403

CELERY_BROKER_TRANSPORT_OPTIONS = {
    **real.CELERY_BROKER_TRANSPORT_OPTIONS,
    "visibility_timeout": 1,
    "unacked_restore_interval": 1,
}
# So that a test can see how often a task was handed out.
LOGGING = {**real.LOGGING, "loggers": {**real.LOGGING["loggers"], "celery.worker.strategy": {"level": "INFO"}}}
