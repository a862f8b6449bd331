"""Where the pages of the studio live."""

from django.conf import settings
from django.urls import URLPattern, path

from studio.views import budget, budget_export, notices, pages, quotes, songs, tokens, welcome

urlpatterns: list[URLPattern] = [
    path("", pages.studio, name="studio"),
    path("quote/", quotes.quote, name="quote"),
    path("generations/", songs.start, name="start"),
    path("generations/<uuid:generation_id>/", songs.song, name="song"),
    path("generations/<uuid:generation_id>/card", songs.card, name="card"),
    path("generations/<uuid:generation_id>/cancel", songs.cancel, name="cancel"),
    path("generations/<uuid:generation_id>/again", songs.again, name="again"),
    path("generations/<uuid:generation_id>/heard", songs.heard, name="heard"),
    path("generations/<uuid:generation_id>/clear", songs.clear, name="clear"),
    path("tracks/<uuid:track_id>/keep", songs.keep, name="keep"),
    path("tracks/<uuid:track_id>/fetch-again", songs.fetch_again, name="fetch_again"),
    path("budget/", budget.budget, name="budget"),
    path("budget/export.csv", budget_export.export_csv, name="budget_csv"),
    path("budget/export.json", budget_export.export_json, name="budget_json"),
    path("account/notices/", notices.notices, name="notices"),
    path("account/tokens/", tokens.tokens, name="tokens"),
    path("account/tokens/<int:token_id>/revoke", tokens.revoke, name="revoke_token"),
]
if settings.EMBEDDED:
    urlpatterns.append(path("welcome/", welcome.Welcome.as_view(), name="welcome"))
