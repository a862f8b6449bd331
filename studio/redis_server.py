"""This process's connections to Redis. It is never the only copy of anything."""

from functools import cache

import redis
from django.conf import settings


@cache
def connection() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5, health_check_interval=30
    )
