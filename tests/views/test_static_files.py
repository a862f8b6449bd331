"""Our modules import each other under the names that change with the content."""

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

import django_htmx
import pytest
from django.conf import settings
from django.core.management import call_command
from pytest_django import Settings

from neoapex.static_files import NPM_FILES

# At the start of a module, or later where few pages need it.
IMPORT = re.compile(r"""\sfrom\s*["']([^"']+)|import\s*["']([^"']+)|import\(["']([^"']+)""")
AT_ONCE = re.compile(r"""(?:\sfrom|import)\s*["']([^"']+)""")
KIB = 1024


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
    imports = [(path, name) for path in modules for name in IMPORT.findall(path.read_text())]
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


def loaded_with(module: Path) -> set[Path]:
    """A module and all that comes along with it, before anything is asked for."""
    found, left = {module}, [module]
    while left:
        path = left.pop()
        # Packages are built into one file each.
        names = AT_ONCE.findall(path.read_text()) if path.parent.name == "js" else []
        new = {(path.parent / name).resolve() for name in names} - found
        found |= new
        left += new
    return found


def compressed(paths: Iterable[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


def test_a_page_is_light_over_the_wire(collected: Path) -> None:
    [app] = (collected / "js").glob("app.*.js")
    htmx = Path(django_htmx.__file__).parent / "static" / "django_htmx" / "htmx-2.min.js"
    scripts = {*loaded_with(app.resolve()), htmx}
    assert len(scripts) > 20
    assert compressed(scripts) <= 60 * KIB
    styles = re.findall(r"css/(\w+)\.css", (settings.BASE_DIR / "templates" / "styles.html").read_text())
    assert len(styles) > 5
    assert compressed(next((collected / "css").glob(f"{name}.*.css")) for name in styles) <= 20 * KIB
