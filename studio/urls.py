"""Where the pages of the studio live."""

from django.conf import settings
from django.urls import URLPattern, path

from studio.views import (
    budget,
    budget_export,
    drafts,
    extensions,
    lineage,
    masters,
    notices,
    pages,
    presets,
    quotes,
    retouches,
    songs,
    tokens,
    trash,
    welcome,
)

urlpatterns: list[URLPattern] = [
    path("", pages.studio, name="studio"),
    path("quote/", quotes.quote, name="quote"),
    path("draft/", drafts.save, name="save_draft"),
    path("draft/clear", drafts.clear, name="clear_draft"),
    path("presets/", presets.save, name="save_preset"),
    path("presets/<int:preset_id>/delete", presets.delete, name="delete_preset"),
    path("generations/", songs.start, name="start"),
    path("generations/<uuid:generation_id>/", songs.song, name="song"),
    path("generations/<uuid:generation_id>/card", songs.card, name="card"),
    path("generations/<uuid:generation_id>/cancel", songs.cancel, name="cancel"),
    path("generations/<uuid:generation_id>/again", songs.again, name="again"),
    path("generations/<uuid:generation_id>/heard", songs.heard, name="heard"),
    path("generations/<uuid:generation_id>/clear", songs.clear, name="clear"),
    path("tracks/<uuid:track_id>/keep", songs.keep, name="keep"),
    path("tracks/<uuid:track_id>/fetch-again", songs.fetch_again, name="fetch_again"),
    path("tracks/<uuid:track_id>/master/", masters.master, name="master"),
    path("tracks/<uuid:track_id>/master/restore", masters.restore, name="restore_master"),
    path("tracks/<uuid:track_id>/trash", trash.put, name="put_in_trash"),
    path("tracks/<uuid:track_id>/put-back", trash.put_back, name="put_back"),
    path("tracks/<uuid:track_id>/extend/", extensions.extend, name="extend"),
    path("tracks/<uuid:track_id>/lineage/", lineage.show, name="lineage"),
    path("tracks/<uuid:track_id>/retouch/", retouches.choose, name="choose_section"),
    path("retouches/<uuid:retouch_id>/", retouches.retouch, name="retouch"),
    path("retouches/<uuid:retouch_id>/panel", retouches.panel, name="retouch_panel"),
    path("retouches/<uuid:retouch_id>/takes", retouches.retry, name="retry_retouch"),
    path("retouches/<uuid:retouch_id>/takes/<uuid:take_id>/difference", retouches.difference, name="take_difference"),
    path("retouches/<uuid:retouch_id>/accept", retouches.accept, name="accept_take"),
    path("retouches/<uuid:retouch_id>/abandon", retouches.abandon, name="abandon_retouch"),
    path("retouches/<uuid:retouch_id>/undo", retouches.undo, name="undo_retouch"),
    path("trash/", trash.show, name="trash"),
    path("budget/", budget.budget, name="budget"),
    path("budget/export.csv", budget_export.export_csv, name="budget_csv"),
    path("budget/export.json", budget_export.export_json, name="budget_json"),
    path("account/notices/", notices.notices, name="notices"),
    path("account/tokens/", tokens.tokens, name="tokens"),
    path("account/tokens/<int:token_id>/revoke", tokens.revoke, name="revoke_token"),
]
if settings.EMBEDDED:
    urlpatterns.append(path("welcome/", welcome.Welcome.as_view(), name="welcome"))
