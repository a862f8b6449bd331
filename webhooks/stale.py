"""What a signed callback with an old time is good for: a question to fal, and not more than one in a while."""

import threading
import time
from collections import OrderedDict
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from studio import sweep
from studio.models import Generation

ONCE_IN_SECONDS = 300
REMEMBERED = 1000


class Memory:
    """The request ids that this process heard of lately; the oldest is forgotten where there are too many."""

    def __init__(self) -> None:
        self._heard: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def is_news(self, request_id: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._heard.get(request_id, float("-inf")) < ONCE_IN_SECONDS:
                return False
            self._heard[request_id] = now
            self._heard.move_to_end(request_id)
            if len(self._heard) > REMEMBERED:
                self._heard.popitem(last=False)
            return True


@cache
def memory() -> Memory:
    return Memory()


def ask_once(generation_id: UUID, request_id: str) -> None:
    """Let the sweep ask fal soon about the generation that a stale callback is for.

    Whoever has seen one callback can send it again and again, to any address of ours: so a request id is good for one
    question in a while, and only about the generation that it belongs to.
    """
    if not memory().is_news(request_id):
        return
    belongs = Q(request_id=request_id)
    if settings.NEOAPEX_WEBHOOK_SCHEME == "ed25519":
        # The submit's answer may have been lost; fal's signature and a pinned account then vouch for the id. HMAC signs
        # the fields without a gap between, so that a part of an old time could be taken for the end of an id.
        belongs |= Q(request_id=None)
    if Generation.objects.filter(belongs, pk=generation_id).exists():
        sweep.ask_soon(generation_id, request_id)
