"""A recipe that somebody brings along as a file fills the composer."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from studio import queries
from studio import recipe_files as files
from studio.errors import NoRecipe, StudioError
from studio.forms import DEFAULTS, ComposerForm, from_recipe
from studio.http_statuses import status_of
from studio.views.composer import composer, filled
from studio.views.people import PersonRequest, for_people
from studio.views.refusals import problems_of


@require_POST
@for_people
def bring(request: PersonRequest) -> HttpResponse:
    """Nothing is written and nothing made: the composer says what it costs, and whether there is such a song."""
    sent = request.FILES.get("recipe_file")
    try:
        if sent is None or isinstance(sent, list):
            raise NoRecipe
        form = ComposerForm({**DEFAULTS, **from_recipe(files.read(sent.read(files.MAX_BYTES + 1)))})
    except StudioError as error:
        reasons = [f"{problem.message} {problem.hint}".strip() for problem in problems_of(error)]
        shown = composer(filled(request), request.user) | {"recipe_refusals": reasons}
        return _page(request, shown, status_of(error))
    return _page(request, {"filled": True, **composer(form, request.user)})


def _page(request: PersonRequest, shown: dict[str, object], status: int = 200) -> HttpResponse:
    return render(request, "studio/page.html", {"feed": queries.feed(request.user), **shown}, status=status)
