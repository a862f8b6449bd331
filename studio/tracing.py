"""Spans around what takes time, for whoever traces the studio; where nobody does, each costs an empty call."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from uuid import UUID

Attribute = str | int | float | bool
Maker = Callable[[str, UUID, dict[str, Attribute]], AbstractContextManager[object]]

_maker: Maker | None = None


def trace_with(maker: Maker | None) -> None:
    """From now on `maker` makes the spans; None stops that."""
    global _maker  # noqa: PLW0603 - one tracer a process, as with logging
    _maker = maker


def span(name: str, generation_id: UUID, **attributes: Attribute) -> AbstractContextManager[object]:
    """A span of one generation's. No words of a person's belong into the attributes."""
    return nullcontext() if _maker is None else _maker(name, generation_id, attributes)
