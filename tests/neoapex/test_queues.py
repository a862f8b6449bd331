"""Every task has a worker, an end, and a message that outlives its longest run."""

from pathlib import Path
from typing import Any

import pytest
from celery import Task
from django.conf import settings

from neoapex.celery import app
from neoapex.embedded import ports
from neoapex.embedded.children import start
from neoapex.embedded.configuration import configure
from neoapex.embedded.home import Home
from neoapex.embedded.studio import Studio

OURS = ("studio.", "ledger.", "webhooks.")


def tasks() -> "list[Task[Any, Any]]":
    app.loader.import_default_modules()
    return [task for name, task in sorted(app.tasks.items()) if name.startswith(OURS)]


def queue_of(name: str) -> str:
    return str(settings.CELERY_TASK_ROUTES.get(name, {}).get("queue", settings.CELERY_TASK_DEFAULT_QUEUE))


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.name)
def test_a_task_ends_before_its_message_is_given_to_another_worker(task: "Task[Any, Any]") -> None:
    hard = task.time_limit or app.conf.task_time_limit
    soft = task.soft_time_limit or app.conf.task_soft_time_limit
    assert 0 < soft < hard < app.conf.broker_transport_options["visibility_timeout"]


def test_what_is_routed_and_what_beats_are_tasks_that_exist() -> None:
    names = {task.name for task in tasks()}
    assert set(settings.CELERY_TASK_ROUTES) <= names
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= names


def test_no_beat_outlives_its_use() -> None:
    """A worker that was away for an hour finds one sweep to do, not hundreds."""
    schedule: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE
    for entry in schedule.values():
        assert entry["options"]["expires"] > 0


def test_media_work_never_takes_the_place_of_a_call_to_fal() -> None:
    queues = {name: queue_of(name) for name in ("studio.ingest", "studio.dispatch", "studio.sweep", "studio.look")}
    assert queues == {
        "studio.ingest": "media",
        "studio.dispatch": "fal",
        "studio.sweep": "default",
        "studio.look": "fal",
    }


def test_an_embedded_studio_has_workers_for_every_queue_and_media_by_itself(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    studio = Studio(configure(home, {"NEOAPEX_PORT": str(ports.random_free()), "FAL_KEY": "real"}), start)
    consumed = [
        set(service.program.argv[service.program.argv.index("--queues") + 1].split(","))
        for service in studio.background()
        if "--queues" in service.program.argv
    ]
    assert {"media"} in consumed
    assert set().union(*consumed) == {queue_of(task.name) for task in tasks()}
