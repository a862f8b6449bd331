"""Static files under names that change with their content, so that browsers may keep them for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Rewrites the imports of our ES modules too: without it a new module would load the old ones beside it."""

    support_js_module_import_aggregation = True
