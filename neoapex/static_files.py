"""Static files: which parts of npm packages are served, and names that change with the content."""

from collections.abc import Iterable, Iterator
from typing import Final

from django.contrib.staticfiles.finders import FileSystemFinder
from django.core.files.storage import Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]

# A package brings hundreds of files; a page loads these.
NPM_FILES: Final = frozenset({"npm/wavesurfer/wavesurfer.esm.js"})


class StaticFolders(FileSystemFinder):
    """Finds our own files, and of npm packages those that pages load."""

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        for path, storage in super().list(ignore_patterns):
            prefix = getattr(storage, "prefix", None)
            if not prefix or f"{prefix}/{path}" in NPM_FILES:
                yield path, storage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Rewrites the imports of our ES modules too: without it a new module would load the old ones beside it.

    Only ours: packages import in ways that are not meant for a browser.
    """

    support_js_module_import_aggregation = True
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1],  # noqa: SLF001
    )
