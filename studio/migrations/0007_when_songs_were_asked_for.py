from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studio", "0006_trash_and_restores"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(fields=["-created_at"], name="generation_asked_for"),
        ),
    ]
