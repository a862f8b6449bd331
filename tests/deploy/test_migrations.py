"""Migrations that old processes survive: while a new version starts, the old one still writes to the same tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations import Migration
from django.db.migrations import operations as ops
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

OURS = {"studio", "ledger", "webhooks"}
# A migration that takes something away says in a comment which released version stopped using it.
NOTE = "# Rolling:"
TAKES_AWAY = (ops.RemoveField, ops.RenameField, ops.RenameModel, ops.DeleteModel, ops.AlterModelTable)
# Written before anything was released, when no old process could run beside them.
BEFORE_RELEASES = {
    ("ledger", "0003_money_made_whole"),
    ("studio", "0004_track_dead_letter"),
    ("studio", "0005_overview_and_true_peak"),
}


def faults_of(operations: list[ops.base.Operation], text: str) -> Iterator[str]:
    """What an old process would stumble over: inserts without the new column, queries of a column that is gone."""
    made = {operation.name_lower for operation in operations if isinstance(operation, ops.CreateModel)}
    for operation in operations:
        if isinstance(operation, ops.AddField) and operation.model_name_lower not in made:
            if not _has_a_value_without_us(operation.field):
                yield f"{operation.model_name}.{operation.name} is NOT NULL without a db_default"
        elif isinstance(operation, TAKES_AWAY) and NOTE not in text:
            yield f"{operation.describe()} without a comment '{NOTE} …'"


def _has_a_value_without_us(field: models.Field) -> bool:  # type: ignore[type-arg]
    if isinstance(field, models.GeneratedField):
        return True
    return field.null or field.many_to_many or field.db_default is not NOT_PROVIDED


def migrations() -> list[tuple[str, str, Migration]]:
    loader = MigrationLoader(connection, ignore_no_migrations=True)
    return [(app, name, one) for (app, name), one in sorted(loader.disk_migrations.items()) if app in OURS]


@pytest.mark.django_db
def test_old_processes_survive_every_migration() -> None:
    found = {}
    for app, name, migration in migrations():
        text = (Path(apps.get_app_config(app).path) / "migrations" / f"{name}.py").read_text()
        faults = list(faults_of(list(migration.operations), text))
        if faults:
            found[app, name] = faults
    assert {where: faults for where, faults in found.items() if where not in BEFORE_RELEASES} == {}
    assert found.keys() == BEFORE_RELEASES


@pytest.mark.parametrize(
    ("operation", "is_safe"),
    [
        (ops.AddField("song", "x", models.TextField(null=True)), True),
        (ops.AddField("song", "x", models.TextField(default="", db_default="")), True),
        (ops.AddField("song", "x", models.TextField(default="")), False),
        (ops.RemoveField("song", "x"), False),
        (ops.RenameField("song", "x", "y"), False),
        (ops.DeleteModel("song"), False),
    ],
)
def test_what_an_old_process_would_stumble_over_is_seen(operation: ops.base.Operation, is_safe: bool) -> None:
    assert (list(faults_of([operation], "")) == []) is is_safe


def test_what_is_taken_away_may_go_with_a_note_and_a_new_table_may_have_any_field() -> None:
    assert list(faults_of([ops.RemoveField("song", "x")], f"{NOTE} unused since 0.2")) == []
    fresh = ops.CreateModel("Song", [("id", models.BigAutoField(primary_key=True))])
    assert list(faults_of([fresh, ops.AddField("song", "x", models.TextField())], "")) == []
