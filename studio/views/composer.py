"""The composer as a page shows it: the form, its price line and what stands in the way."""

from collections.abc import Mapping
from uuid import UUID, uuid4

from studio import generations, queries
from studio.errors import NotFound, Problem
from studio.forms import DEFAULTS, FORMATS, ComposerForm, Mode, from_recipe
from studio.models import User
from studio.views.people import PersonRequest

ENDPOINT = "text-to-music"

EXAMPLE: Mapping[str, str] = {
    "mode": Mode.EXACT.value,
    "tags": "indie folk, acoustic guitar, warm, female vocals",
    "lyrics": (
        "[Verse]\nThe kettle hums before the day begins\nYour coat still keeps the colour of the rain\n"
        "I count the trains that neither of us takes\nAnd turn the record over once again\n\n"
        "[Chorus]\nStay a little longer in the quiet\nLet the city lose its voice\n"
    ),
    "vibe_strength": "1.8",
    "num_songs": "2",
}


def filled(request: PersonRequest) -> ComposerForm:
    """The composer with its defaults, with the example, or with the recipe of a song that the person names."""
    return ComposerForm({**DEFAULTS, **_wanted(request)})


def _wanted(request: PersonRequest) -> Mapping[str, str]:
    if "example" in request.GET:
        return EXAMPLE
    if not request.GET.get("recipe"):
        return {}
    try:
        card = queries.card(request.user, UUID(request.GET["recipe"]))
    except (NotFound, ValueError):
        return {}
    return from_recipe(card.generation.recipe)


def composer(form: ComposerForm, person: User, key: str | None = None) -> dict[str, object]:
    """All that `studio/composer.html` shows; `key` is kept where the form may be sent once more."""
    return {"form": form, "modes": Mode, "formats": FORMATS, "key": key or new_key(), **price(form, person)}


def price(form: ComposerForm, person: User) -> dict[str, object]:
    """All that `studio/price.html` shows: the quote with every reason, and which of them are about something typed.

    What is still missing is a reason at the button only: nobody is told off for a field they have not come to yet.
    """
    quote = generations.quote(person=person, endpoint=ENDPOINT, inputs=form.inputs())
    wrong: dict[str, list[Problem]] = {}
    for problem in quote.reasons:
        name = (problem.field or "").partition(".")[0]
        if name in form.shown and form.data.get(name, "").strip():
            wrong.setdefault(name, []).append(problem)
    return {"form": form, "quote": quote, "wrong": wrong}


def new_key() -> str:
    """Drawn once for each form that is shown: sent twice, it makes one song."""
    return uuid4().hex
