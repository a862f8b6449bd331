"""The fenced blocks of the documentation, for tests that run them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# A fence inside a list is indented.
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*) ?(?P<name>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """`name` is what stands behind the language on the opening fence."""

    path: Path
    line: int
    language: str
    name: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks_of(path: Path, *languages: str) -> Iterator[Block]:
    text = path.read_text()
    for found in _FENCE.finditer(text):
        if found["language"] in languages:
            line = text.count("\n", 0, found.start()) + 1
            yield Block(path, line, found["language"], found["name"].strip(), dedent(found["text"]))


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))
