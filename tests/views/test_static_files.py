"""Our modules import each other under the names that change with the content."""

import re
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from neoapex.static_files import NPM_FILES


@pytest.fixture
def collected(settings: Settings, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "neoapex.static_files.StaticFiles"}}
    settings.STATICFILES_FINDERS = ["neoapex.static_files.StaticFolders"]
    call_command("collectstatic", "--noinput", "-v", "0")
    return tmp_path


def test_every_import_of_our_modules_names_a_hashed_file_that_is_there(collected: Path) -> None:
    modules = [path for path in (collected / "js").glob("*.js") if re.search(r"\.[0-9a-f]{12}\.js$", path.name)]
    assert len(modules) > 5
    imports = [
        (path, name)
        for path in modules
        for name in re.findall(r"""\sfrom\s*["']([^"']+)|import\s*["']([^"']+)""", path.read_text())
    ]
    assert imports
    for path, names in imports:
        name = "".join(names)
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), (path, name)
        assert (path.parent / name).exists(), (path, name)


def test_of_npm_packages_only_what_pages_load_is_served(collected: Path) -> None:
    served = {
        re.sub(r"\.[0-9a-f]{12}(?=\.js)", "", str(path.relative_to(collected))).removesuffix(".gz")
        for path in collected.glob("npm/**/*.*")
    }
    assert served == NPM_FILES
