"""A figure that means something on any machine: ours over a peer's, measured in the same run."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Ratio:
    """One row of the table. `aim` says on which side of which number the ratio should be."""

    name: str
    ratios: Sequence[float]
    aim: str
    detail: str

    def __str__(self) -> str:
        spread = f"{min(self.ratios):.2f}-{max(self.ratios):.2f}"
        return f"| {self.name} | {median(self.ratios):.2f} | {spread} | {self.aim} | {self.detail} |"
