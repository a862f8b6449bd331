"""One song: start it, watch it, cancel it, ask for it again, and the page of its own."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget, trigger_client_event

from ledger.errors import LedgerError
from studio import drafts, extensions, generations, listening, queries, retouches, timeline, tracks
from studio.errors import AlreadyFinal, AlreadyMade, IdempotencyConflict, NotFound, StudioError
from studio.forms import ComposerForm
from studio.http_statuses import status_of
from studio.models import Generation
from studio.queries import Card
from studio.states import Purpose
from studio.views.composer import ENDPOINT, composer, is_unconfirmed, new_key, price
from studio.views.people import PersonRequest, for_people
from studio.views.refusals import problems_of, say_when

FINAL_PHASES = frozenset({"ready", "failed", "cancelled"})


@require_POST
@for_people
def start(request: PersonRequest) -> HttpResponse:
    """Make a song. A refusal shows the composer again with every word that was typed."""
    form = ComposerForm(request.POST)
    if not request.htmx:
        # A script has kept it while it was typed.
        drafts.save(request.user, form.typed)
    try:
        if is_unconfirmed(form, generations.quote(person=request.user, endpoint=ENDPOINT, inputs=form.inputs())):
            raise AlreadyMade
        generation = generations.start(
            person=request.user, endpoint=ENDPOINT, inputs=form.inputs(), idempotency_key=form.key
        )
    except (StudioError, LedgerError) as error:
        return _refused(request, form, error)
    if not request.htmx:
        return redirect(_in_feed(generation))
    shown = {"card": queries.card(request.user, generation.pk), "key": new_key(), **price(form, request.user)}
    return render(request, "studio/started.html", shown, status=201)


def _refused(request: PersonRequest, form: ComposerForm, error: StudioError | LedgerError) -> HttpResponse:
    form.refuse(problems_of(error))
    # A key that was used for another song would refuse for ever: the form gets a new one.
    key = None if isinstance(error, IdempotencyConflict) else form.key
    shown = {"filled": True, "feed": queries.feed(request.user), **composer(form, request.user, key)}
    if not request.htmx:
        return say_when(render(request, "studio/page.html", shown, status=status_of(error)), error)
    response = say_when(render(request, "studio/composer.html", shown, status=status_of(error)), error)
    return reswap(retarget(response, "#composer"), "outerHTML")


@require_safe
@for_people
def card(request: PersonRequest, generation_id: UUID) -> HttpResponse:
    """The card as it is now, with the budget line; on the page of the song `?page` shows it there."""
    shown = _own_card(request, generation_id)
    if not is_judged_elsewhere(shown):
        return _card(request, shown)
    if shown.generation.purpose != Purpose.TAKE:
        return HttpResponse(status=204)
    # Never put into a list: it only says that it ended, and where it is heard.
    return render(request, "studio/elsewhere.html", {"card": shown, "retouch": shown.generation.take.retouch})


def is_judged_elsewhere(shown: Card) -> bool:
    """A take or an arm that nobody has chosen yet has no card of its own."""
    judged = shown.generation.purpose in (Purpose.TAKE, Purpose.ARM)
    return judged and not any(not track.hidden for track in shown.tracks)


@require_POST
@for_people
def cancel(request: PersonRequest, generation_id: UUID) -> HttpResponse:
    _own_card(request, generation_id)
    try:
        generations.cancel(person=request.user, generation_id=generation_id)
    except AlreadyFinal as error:
        # The card that comes back says how it ended, which is all that there is to say.
        if not request.htmx:
            messages.info(request, str(error.message))
    if not request.htmx:
        return redirect("song", generation_id)
    return _card(request, _own_card(request, generation_id))


@require_POST
@for_people
def again(request: PersonRequest, generation_id: UUID) -> HttpResponse:
    """The same recipe as a new song, seed and all."""
    before = _own_card(request, generation_id)
    key = request.POST.get("idempotency_key") or None
    try:
        generation = _again(request, before.generation, key)
    except (StudioError, LedgerError) as error:
        return _card(request, before, error)
    if not request.htmx:
        return redirect(_in_feed(generation))
    shown = {"card": before, "new": queries.card(request.user, generation.pk), "key": new_key()}
    return render(request, "studio/again.html", shown, status=201)


def _again(request: PersonRequest, before: Generation, key: str | None) -> Generation:
    person, inputs = request.user, dict(before.recipe)
    if before.purpose == Purpose.EXTENSION and before.source_id is not None:
        audio = before.source_audio
        return extensions.start(
            person=person, track_id=before.source_id, inputs=inputs, audio=audio, idempotency_key=key
        )[0]
    return generations.start(person=person, endpoint=before.endpoint, inputs=inputs, idempotency_key=key)


@require_POST
@for_people
def fetch_again(request: PersonRequest, track_id: UUID) -> HttpResponse:
    """Fetch a track once more that came as audio which can't be read."""
    error: StudioError | None = None
    try:
        generation_id = tracks.own(request.user, track_id).generation_id
        tracks.fetch_again(person=request.user, track_id=track_id)
    except NotFound as missing:
        raise Http404(str(missing.message)) from None
    except StudioError as refusal:
        error = refusal
    if not request.htmx and error is None:
        return redirect("song", generation_id)
    return _card(request, _own_card(request, generation_id), error)


@require_POST
@for_people
def keep(request: PersonRequest, track_id: UUID) -> HttpResponse:
    """Pick one of two variations, or with `kept=0` take that back."""
    try:
        track = listening.keep(person=request.user, track_id=track_id, kept=request.POST.get("kept") != "0")
    except NotFound as missing:
        raise Http404(str(missing.message)) from None
    if not request.htmx:
        return redirect("song", track.generation_id)
    return _card(request, _own_card(request, track.generation_id))


@require_POST
@for_people
def heard(request: PersonRequest, generation_id: UUID) -> HttpResponse:
    try:
        listening.hear(person=request.user, generation_id=generation_id)
    except NotFound as missing:
        raise Http404(str(missing.message)) from None
    return HttpResponse(status=204)


@require_POST
@for_people
def clear(request: PersonRequest, generation_id: UUID) -> HttpResponse:
    """Take a failure out of the feed; what comes in its place, and `cleared=0`, is the way back."""
    shown = _own_card(request, generation_id)
    cleared = request.POST.get("cleared") != "0"
    try:
        listening.clear(person=request.user, generation_id=generation_id, cleared=cleared)
    except StudioError as error:
        return _card(request, shown, error)
    if not request.htmx:
        return redirect("song", generation_id)
    if cleared:
        return render(request, "studio/cleared.html", {"card": shown})
    return _card(request, _own_card(request, generation_id))


@require_safe
@for_people
def song(request: PersonRequest, generation_id: UUID) -> HttpResponse:
    """All about one song, for somebody who arrives by a link."""
    shown = _own_card(request, generation_id)
    if shown.generation.purpose == Purpose.TAKE and is_judged_elsewhere(shown):
        return redirect("retouch", shown.generation.take.retouch_id)
    return render(
        request,
        "studio/song.html",
        {
            "card": shown,
            "timeline": _timeline(shown),
            "page": True,
            "key": new_key(),
            "retouches": retouches.of_song(request.user, generation_id),
        },
    )


def _card(request: PersonRequest, shown: Card, error: StudioError | LedgerError | None = None) -> HttpResponse:
    context = {"card": shown, "page": "page" in request.GET, "refusal": error, "key": new_key()}
    if not request.htmx and error is not None:
        context |= {"page": True, "timeline": _timeline(shown)}
        return say_when(render(request, "studio/song.html", context, status=status_of(error)), error)
    response = render(request, "studio/card_update.html", context, status=status_of(error) if error else 200)
    if error is not None:
        say_when(response, error)
        reswap(retarget(response, f"#generation-{shown.generation.pk}"), "outerHTML")
    if shown.phase in FINAL_PHASES:
        # Money may have come back: the price line at the button asks again.
        trigger_client_event(response, "money")
    return response


def _timeline(shown: Card) -> list[timeline.Moment]:
    return timeline.read(shown.generation, shown.tracks)


def _own_card(request: PersonRequest, generation_id: UUID) -> Card:
    try:
        return queries.card(request.user, generation_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None


def _in_feed(generation: Generation) -> str:
    return f"{reverse('studio')}#generation-{generation.pk}"
