"""What decides whether the static files have to be collected again."""

from pathlib import Path

import pytest

from neoapex.embedded import studio


def test_what_was_collected_is_no_source_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every second start would collect anew: the embedded home lies inside the project."""
    monkeypatch.setattr(studio, "BASE_DIR", tmp_path)
    for folder in (".neoapex/static", "studio/static"):
        (tmp_path / folder).mkdir(parents=True)
    sources = studio.static_sources(tmp_path / ".neoapex")
    assert tmp_path / "studio" / "static" in sources
    assert tmp_path / ".neoapex" / "static" not in sources
