from django.db import migrations

# As `recipes.words_of` and `recipes.tags_of` do for a new one.
FILL = """
UPDATE studio_track SET tags = lower(found.tags::text)::jsonb, words = left(found.words, 20000)
FROM (
    SELECT id, tags, concat_ws(
        ' ', recipe->>'prompt', (SELECT string_agg(tag, ' ') FROM jsonb_array_elements_text(tags) AS tag)
    ) AS words
    FROM (
        SELECT id, recipe, CASE
            WHEN jsonb_typeof(recipe->'tags') = 'array' AND recipe->'tags' <> '[]' THEN recipe->'tags'
            WHEN jsonb_typeof(written_tags) = 'array' THEN written_tags
            ELSE '[]'
        END AS tags
        FROM studio_generation
    ) AS given
) AS found
WHERE found.id = studio_track.generation_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("studio", "0014_library"),
    ]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
