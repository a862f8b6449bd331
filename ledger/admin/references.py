"""What a reference in the books stands for is known to those who wrote it: here they say so, for links and search."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Guide:
    """`address` leads from a reference to a page of the admin; `find` from a typed term to references."""

    address: Callable[[str], str | None] = lambda _reference: None
    find: Callable[[str], Sequence[str]] = lambda _term: ()


guide = Guide()


def explain(*, address: Callable[[str], str | None], find: Callable[[str], Sequence[str]]) -> None:
    guide.address, guide.find = address, find
