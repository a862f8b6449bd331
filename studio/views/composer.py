"""The composer as a page shows it: the form, its price line and what stands in the way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypedDict
from uuid import UUID, uuid4

from django.utils.translation import gettext_lazy as _

from studio import drafts, generations, presets, queries, readings, recipes
from studio.errors import AlreadyMade, NotFound, Problem
from studio.forms import BIT_RATES, DEFAULTS, FORMATS, ComposerForm, Mode, SeedChoice, from_recipe
from studio.models import Generation, User
from studio.tags import suggestions, taxonomy
from studio.tags.suggestions import Suggestion
from studio.views.people import PersonRequest

ENDPOINT = "text-to-music"
# In the order in which people think of them. What nobody has given a place yet is found by typing.
TAG_GROUPS = (
    ("genre", _("Genre")),
    ("subgenre", _("Subgenre")),
    ("mood", _("Mood")),
    ("instrument", _("Instrument")),
    ("vocals", _("Vocals")),
    ("era", _("Era")),
    ("production", _("Production")),
    ("region", _("Region")),
    ("theme", _("Theme")),
    ("form", _("Form")),
)
# As Sonauto reads them in brackets, so not translated.
SECTIONS = ("Intro", "Verse", "Pre-Chorus", "Chorus", "Bridge", "Outro")

EXAMPLE: Mapping[str, str] = {
    "mode": Mode.EXACT.value,
    "tags": "indie folk, acoustic guitar, warm, female vocalist",
    "lyrics": (
        "[Verse]\nThe kettle hums before the day begins\nYour coat still keeps the colour of the rain\n"
        "I count the trains that neither of us takes\nAnd turn the record over once again\n\n"
        "[Chorus]\nStay a little longer in the quiet\nLet the city lose its voice\n"
    ),
    "vibe_strength": "1.8",
    "num_songs": "2",
}


def filled(request: PersonRequest) -> ComposerForm:
    """The composer with what was asked for by the address, else with the draft, else with its defaults."""
    wanted = _wanted(request)
    return ComposerForm({**DEFAULTS, **(drafts.read(request.user) if wanted is None else wanted)})


def _wanted(request: PersonRequest) -> Mapping[str, str] | None:
    """The example, the recipe of a song or a saved one; None for none, and for what isn't theirs."""
    asked = request.GET
    try:
        if asked.get("preset"):
            fields: Mapping[str, str] = presets.own(request.user, int(asked["preset"])).fields
            return fields
        if asked.get("recipe"):
            generation = queries.card(request.user, UUID(asked["recipe"])).generation
            return _taken(generation, asked.get("take", ""), drafts.read(request.user))
    except (NotFound, ValueError):
        return None
    return EXAMPLE if "example" in asked else None


def _taken(generation: Generation, take: str, draft: Mapping[str, str]) -> Mapping[str, str]:
    """All of a recipe, or only its seed or its words beside what is being written."""
    if take == "seed":
        return {**draft, "seed": str(generation.seed), "seed_choice": SeedChoice.NUMBER.value}
    if take == "words":
        lyrics = recipes.lyrics_of(generation) or ""
        return {**draft, "mode": Mode.EXACT.value, "tags": ", ".join(recipes.tags_of(generation)), "lyrics": lyrics}
    return from_recipe(generation.recipe)


def composer(form: ComposerForm, person: User, key: str | None = None) -> dict[str, object]:
    """All that `studio/composer.html` shows; `key` is kept where the form may be sent once more."""
    shown = price(form, person)
    # What the price line says already is not said once more above it.
    said = {_words(problem) for problem in shown["quote"].reasons}
    refusals = [error for error in form.non_field_errors() if error not in said]
    return {
        "modes": Mode,
        "formats": FORMATS,
        "bit_rates": BIT_RATES,
        "tag_groups": TAG_GROUPS,
        "sections": SECTIONS,
        "seeds": SeedChoice,
        "presets": presets.of(person),
        "last_seed": queries.last_seed(person),
        "key": key or new_key(),
        "refusals": refusals,
        **shown,
    }


class Price(TypedDict):
    """All that `studio/price.html` and `studio/price_update.html` show.

    Each reason stands in one place: in `wrong` at the field that it is about, with the field's name in `marked`, or in
    `missing` at the button. `unknown_tags` are no reason: they are marked, and sent on. `suggestion` is of a Vibe
    Strength other than the one that is set.
    """

    form: ComposerForm
    quote: generations.Quote
    wrong: dict[str, list[Problem]]
    marked: list[str]
    missing: list[Problem]
    unknown_tags: list[str]
    suggestion: Suggestion | None


def price(form: ComposerForm, person: User) -> Price:
    """The quote with every reason, told apart by what was typed.

    What is still missing is a reason at the button only: nobody is told off for a field they have not come to yet.
    """
    quote = generations.quote(person=person, endpoint=ENDPOINT, inputs=form.inputs())
    if is_unconfirmed(form, quote):
        again = AlreadyMade()
        quote.reasons.append(Problem(again.code, str(again.message), str(again.hint)))
    quote = replace(quote, reasons=[replace(problem, hint=form.hint_for(problem)) for problem in quote.reasons])
    wrong: dict[str, list[Problem]] = {}
    for problem in quote.reasons:
        name = _field(problem)
        if name in form.shown and form.data.get(name, "").strip():
            wrong.setdefault(name, []).append(problem)
    told = wrong.keys() | form.errors.keys()
    marked = [str(field.label) for name, field in form.fields.items() if name in told]
    missing = [problem for problem in quote.reasons if _field(problem) not in told]
    unknown = [tag for tag in form.shown_tags if not taxonomy.is_known(tag)]
    return {
        "form": form, "quote": quote, "wrong": wrong, "marked": marked, "missing": missing, "unknown_tags": unknown,
        "suggestion": _suggestion(form, person),
    }  # fmt: skip


def is_unconfirmed(form: ComposerForm, quote: generations.Quote) -> bool:
    """Whether the identical song is there, and the one more click that asks for it again has not been made."""
    return bool(quote.existing) and form.data.get("once_more") != quote.existing[0].generation.recipe_digest


def _suggestion(form: ComposerForm, person: User) -> Suggestion | None:
    found = suggestions.vibe_strength(form.shown_tags, heard=lambda: readings.learnt_vibe_strengths(person))
    return None if found is None or found.value == form.inputs().get("vibe_strength") else found


def _field(problem: Problem) -> str:
    return (problem.field or "").partition(".")[0]


def _words(problem: Problem) -> str:
    return f"{problem.message} {problem.hint}".strip()


def new_key() -> str:
    """Drawn once for each form that is shown: sent twice, it makes one song."""
    return uuid4().hex
