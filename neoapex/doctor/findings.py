"""What a check says."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    ADVICE = "advice"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`remedy` is what to do about it."""

    state: State
    message: str
    remedy: str = ""


def ok(message: str) -> Verdict:
    return Verdict(State.OK, message)


def advice(message: str, remedy: str) -> Verdict:
    """The studio works, and could work better or more safely."""
    return Verdict(State.ADVICE, message, remedy)


def wrong(message: str, remedy: str) -> Verdict:
    return Verdict(State.WRONG, message, remedy)


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    state: State
    message: str
    remedy: str
