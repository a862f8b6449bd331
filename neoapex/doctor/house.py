"""Whether the studio's own parts are there, and whether its slots fit what fal allows."""

from collections.abc import Sequence

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError, ResponseError

from neoapex.doctor.findings import Verdict, advice, ok, wrong
from studio import redis_server

# Medians over the last day: how long a song waits for a slot here, and from there until fal makes it.
_WAITS = """
    SELECT count(*),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM submit_started_at - created_at)::float8),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM running_at - started_at)::float8)
    FROM studio_generation WHERE submit_started_at >= now() - interval '1 day'
"""
ENOUGH_SONGS = 10
LONG_SECONDS = 30


def database() -> Sequence[Verdict]:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return [wrong("The database can't be used.", "Look at DATABASE_URL and at the server.")]
    if pending:
        return [wrong(f"{len(pending)} migrations are not applied.", "Run manage.py migrate.")]
    return [ok("The database is up to date.")]


def redis() -> Sequence[Verdict]:
    try:
        redis_server.connection().ping()
        told = redis_server.connection().config_get("maxmemory-policy")
    except ResponseError:
        # Hosted ones keep their configuration to themselves.
        return [ok("Redis answers.")]
    except RedisError:
        return [wrong("Redis can't be used.", "Look at REDIS_URL and at the server.")]
    policy = str(dict(told).get("maxmemory-policy", "noeviction"))
    if policy != "noeviction":
        return [wrong(f"Redis throws away what it has no room for ({policy}).", "Set maxmemory-policy to noeviction.")]
    return [ok("Redis answers, and keeps what it has.")]


def slots() -> Sequence[Verdict]:
    """fal makes two requests at once for a new account, and more as the account buys; it does not say how many."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITS)
        songs, here, there = cursor.fetchone()
    return [_advised(songs, here or 0.0, there or 0.0)]


def _advised(songs: int, here_seconds: float, there_seconds: float) -> Verdict:
    now = settings.NEOAPEX_FAL_SLOTS
    if songs < ENOUGH_SONGS:
        return ok(f"{now} slots; {songs} songs in a day are too few to tell whether that fits.")
    if there_seconds > LONG_SECONDS:
        return advice(
            f"Songs wait {there_seconds:.0f} s in fal's own line: it makes fewer at once than {now}.",
            "Lower NEOAPEX_FAL_SLOTS: in the studio's line nobody waits behind another's twenty songs.",
        )
    if here_seconds > LONG_SECONDS:
        return advice(
            f"Songs wait {here_seconds:.0f} s for one of the {now} slots, and not at fal.",
            "Raise NEOAPEX_FAL_SLOTS to what fal's dashboard names as the account's concurrency.",
        )
    return ok(f"{now} slots, and songs don't wait for them.")
