"""Remembering for which files a slow step was last done, so that a second start skips it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """One step's memory: the fingerprint of ``sources`` when it was last done."""

    path: Path
    sources: tuple[Path, ...]

    def is_current(self) -> bool:
        """True when no source came, went or changed since ``renew()``."""
        return self.path.exists() and self.path.read_text() == fingerprint(self.sources)

    def renew(self) -> None:
        self.path.write_text(fingerprint(self.sources))


def fingerprint(sources: Iterable[Path]) -> str:
    """A digest over path, size and time of change of files and of everything in folders."""
    digest = hashlib.sha256()
    for source in sources:
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            digest.update(_mark(path).encode())
    return digest.hexdigest()


def _mark(path: Path) -> str:
    if not path.is_file():
        return ""
    facts = path.stat()
    return f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n"
