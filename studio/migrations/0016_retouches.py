import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studio", "0015_words_of_old_songs"),
    ]

    operations = [
        migrations.AddField(
            model_name="generation",
            name="source_audio",
            field=models.CharField(
                choices=[("MASTER", "Master"), ("PREVIEW", "Preview")],
                db_default="MASTER",
                default="MASTER",
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="Retouch",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("OPEN", "Open"), ("ACCEPTED", "Accepted"), ("ABANDONED", "Abandoned")],
                        default="OPEN",
                        max_length=10,
                    ),
                ),
                ("start_ms", models.PositiveIntegerField()),
                ("end_ms", models.PositiveIntegerField()),
                ("most_takes", models.PositiveSmallIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="retouches",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="retouches", to="studio.track"
                    ),
                ),
            ],
            options={"verbose_name_plural": "retouches"},
        ),
        migrations.CreateModel(
            name="Take",
            fields=[
                (
                    "generation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="take",
                        serialize=False,
                        to="studio.generation",
                    ),
                ),
                ("number", models.PositiveSmallIntegerField(null=True)),
                ("most_takes", models.PositiveSmallIntegerField()),
                (
                    "verdict",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("WRONG_WORDS", "Wrong words"),
                            ("WRONG_VOICE", "Wrong voice"),
                            ("GLITCH", "Glitch"),
                            ("OTHER", "Other"),
                        ],
                        default="",
                        max_length=12,
                    ),
                ),
                ("verdict_note", models.CharField(blank=True, default="", max_length=500)),
                ("verdict_at", models.DateTimeField(null=True)),
                ("difference", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "retouch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="takes", to="studio.retouch"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="retouch",
            name="accepted",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="studio.take"
            ),
        ),
        migrations.AddIndex(
            model_name="take",
            index=models.Index(fields=["retouch", "created_at"], name="take_in_order"),
        ),
        migrations.AddConstraint(
            model_name="take",
            constraint=models.UniqueConstraint(fields=("retouch", "number"), name="take_number_once"),
        ),
        migrations.AddConstraint(
            model_name="take",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("number__isnull", True),
                    models.Q(("number__gte", 1), ("number__lte", models.F("most_takes"))),
                    _connector="OR",
                ),
                name="take_number_within_cap",
            ),
        ),
        migrations.AddConstraint(
            model_name="take",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["", "WRONG_WORDS", "WRONG_VOICE", "GLITCH", "OTHER"])),
                name="take_verdict_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="take",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("verdict", ""), ("verdict_at__isnull", True)),
                    models.Q(models.Q(("verdict", ""), _negated=True), ("verdict_at__isnull", False)),
                    _connector="OR",
                ),
                name="take_verdict_has_time",
            ),
        ),
        migrations.AddIndex(
            model_name="retouch",
            index=models.Index(fields=["person", "-created_at"], name="retouch_newest"),
        ),
        migrations.AddConstraint(
            model_name="retouch",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["OPEN", "ACCEPTED", "ABANDONED"])), name="retouch_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="retouch",
            constraint=models.CheckConstraint(
                condition=models.Q(("end_ms__gt", models.F("start_ms"))), name="retouch_ends_after_its_start"
            ),
        ),
        migrations.AddConstraint(
            model_name="retouch",
            constraint=models.CheckConstraint(condition=models.Q(("most_takes__gte", 1)), name="retouch_has_a_take"),
        ),
        migrations.AddConstraint(
            model_name="retouch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("accepted__isnull", False), ("state", "ACCEPTED")),
                    models.Q(models.Q(("state", "ACCEPTED"), _negated=True), ("accepted__isnull", True)),
                    _connector="OR",
                ),
                name="retouch_accepted_has_take",
            ),
        ),
        migrations.AddConstraint(
            model_name="retouch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("state", "OPEN")),
                    models.Q(models.Q(("state", "OPEN"), _negated=True), ("ended_at__isnull", False)),
                    _connector="OR",
                ),
                name="retouch_ended_when_over",
            ),
        ),
    ]
