"""A crowd with songs in line, made in a moment, and what a query reads among them."""

from typing import Any

from django.db import connection

# Songs in line, made in one statement; each person's turns follow one another.
CROWD = """
INSERT INTO studio_generation (id, person_id, endpoint, state, recipe, seed, num_songs, cost_micros, reason_code,
    reason_message, reason_whose, raw_error, attempts, looks, asks, turn, created_at, run_at)
SELECT md5('crowd' || person.id || '/' || n)::uuid, person.id, 'text-to-music', 'QUEUED', '{}', 1, 1, 75000, '',
    '', '', '', 0, 0, 0, n, now() - interval '1 hour', now() - interval '1 hour'
FROM studio_user person, generate_series(1, %(songs)s) n WHERE person.email LIKE 'crowd%%'
"""
PEOPLE = """
INSERT INTO studio_user (password, is_superuser, first_name, last_name, is_staff, is_active, date_joined, email)
SELECT '', false, '', '', false, true, now(), 'crowd' || n || '@example.com' FROM generate_series(1, %(people)s) n
"""


def lay(people: int, songs: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, {"people": people})
        cursor.execute(CROWD, {"songs": songs})
        cursor.execute("ANALYZE studio_generation")


def plan(sql: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        found: dict[str, Any] = cursor.fetchone()[0][0]["Plan"]
    return found


def walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node.get("Plans", []) for inner in walk(child))]


def rows_read(node: dict[str, Any]) -> int:
    """Rows that any step of the plan took up or threw away; a bitmap also counts those that are long gone."""
    steps = [step for step in walk(node) if step["Node Type"] != "Bitmap Index Scan"]
    return max(int(step["Actual Rows"]) + int(step.get("Rows Removed by Filter", 0)) for step in steps)
