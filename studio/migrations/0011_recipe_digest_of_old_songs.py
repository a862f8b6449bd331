"""The digest of every recipe that was kept before there was one, some at a time: nobody is kept from working."""

from typing import Any

from django.db import migrations

from studio import already_made

BATCH = 500


def fill_in(apps: Any, _schema_editor: Any) -> None:
    Generation = apps.get_model("studio", "Generation")
    # A batch takes its rows out of what is left, so this ends, and goes on where it was broken off.
    left = Generation.objects.filter(recipe_digest="").order_by("pk")
    while rows := list(left.only("pk", "endpoint", "recipe", "seed")[:BATCH]):
        for row in rows:
            row.recipe_digest = already_made.digest(row)
        Generation.objects.bulk_update(rows, ["recipe_digest"])


class Migration(migrations.Migration):
    # Each batch by itself, with no lock on the whole table meanwhile.
    atomic = False
    dependencies = [("studio", "0010_recipe_digest")]
    operations = [migrations.RunPython(fill_in, migrations.RunPython.noop)]
