"""This process's connections to Redis. It is never the only copy of anything."""

from functools import cache

import redis
from django.conf import settings

# A Redis that hangs must not hold up whoever makes a song: what isn't counted or pushed there is made up for.
PATIENCE_SECONDS = 1


@cache
def connection() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        health_check_interval=30,
    )
