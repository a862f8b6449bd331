"""A section made anew: choose it, hear the takes beside the original, and judge."""

from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ledger.errors import LedgerError
from studio import generations, queries, retouches, takes
from studio.errors import NotFound, StudioError
from studio.http_statuses import status_of
from studio.models import Take, Track
from studio.retouches import Strip
from studio.source_forms import RetouchForm, for_retouch
from studio.states import TrackState, Verdict
from studio.views.composer import new_key
from studio.views.from_a_track import asked, form_page, own_source
from studio.views.people import PersonRequest, for_people
from studio.views.refusals import say_when


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def choose(request: PersonRequest, track_id: UUID) -> HttpResponse:
    """The section and its words; on POST the first take."""
    source = own_source(request, track_id)
    bpm = source.generation.recipe.get("bpm")
    page = partial(
        form_page,
        request,
        "studio/retouch_choose.html",
        source,
        retouches.ENDPOINT,
        shortest=f"{retouches.SHORTEST_SECONDS:g}",
        retries=settings.NEOAPEX_INPAINT_MAX_RETRIES,
        bpm=bpm if isinstance(bpm, int) else None,
    )
    if request.method != "POST":
        return page(RetouchForm(for_retouch(source)))
    form = RetouchForm(request.POST)

    def start() -> str:
        retouch, _ = retouches.start(
            person=request.user, track_id=track_id, inputs=form.inputs(), audio=form.audio, idempotency_key=form.key
        )
        return reverse("retouch", args=[retouch.pk])

    return asked(form, start, page)


@require_safe
@for_people
def retouch(request: PersonRequest, retouch_id: UUID) -> HttpResponse:
    return _page(request, _own(request, retouch_id))


@require_safe
@for_people
def panel(request: PersonRequest, retouch_id: UUID) -> HttpResponse:
    """The takes as they are now, for who watches."""
    return render(request, "studio/retouch_update.html", _shown(request, _own(request, retouch_id)))


@require_POST
@for_people
def retry(request: PersonRequest, retouch_id: UUID) -> HttpResponse:
    asked = request.POST
    return _acted(
        request,
        retouch_id,
        lambda: retouches.retry(
            person=request.user,
            retouch_id=retouch_id,
            reason=asked.get("reason", ""),
            note=asked.get("note", ""),
            keep_seed=asked.get("seed") == "keep",
            idempotency_key=asked.get("idempotency_key") or None,
        ),
    )


@require_POST
@for_people
def accept(request: PersonRequest, retouch_id: UUID) -> HttpResponse:
    def act() -> object:
        try:
            take_id = UUID(request.POST.get("take", ""))
        except ValueError:
            raise NotFound from None
        return retouches.accept(person=request.user, retouch_id=retouch_id, take_id=take_id)

    return _acted(request, retouch_id, act)


@require_POST
@for_people
def abandon(request: PersonRequest, retouch_id: UUID) -> HttpResponse:
    return _acted(request, retouch_id, lambda: retouches.abandon(person=request.user, retouch_id=retouch_id))


@require_POST
@for_people
def undo(request: PersonRequest, retouch_id: UUID) -> HttpResponse:
    return _acted(request, retouch_id, lambda: retouches.undo(person=request.user, retouch_id=retouch_id))


def _acted(request: PersonRequest, retouch_id: UUID, act: Any) -> HttpResponse:
    strip = _own(request, retouch_id)
    try:
        act()
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except (StudioError, LedgerError) as error:
        strip = _own(request, retouch_id)
        return say_when(_page(request, strip, refusal=error, status=status_of(error)), error)
    return redirect("retouch", retouch_id)


@require_safe
@for_people
def difference(request: PersonRequest, retouch_id: UUID, take_id: UUID) -> HttpResponse:
    """How a take compares with the original outside the section; measured the first time that somebody looks."""
    strip = _own(request, retouch_id)
    take = next((take for take in strip.takes if take.pk == take_id), None)
    if take is None:
        raise Http404
    found = takes.difference(strip.retouch, take)
    return render(request, "studio/difference.html", {"difference": found, **_picture(strip, found)})


def _picture(strip: Strip, found: dict[str, Any] | None) -> dict[str, object]:
    """Bars from the middle line, and where among them the section lies."""
    slices = (found or {}).get("slices") or []
    bars = "".join(f"M{place + 0.5} {20 - height / 5:.1f}V{20 + height / 5:.1f}" for place, height in enumerate(slices))
    whole = strip.retouch.source.duration_ms or 1
    start, end = (len(slices) * ms / whole for ms in (strip.retouch.start_ms, strip.retouch.end_ms))
    return {"bars": bars, "width": len(slices), "section_x": f"{start:.1f}", "section_width": f"{end - start:.1f}"}


def _own(request: PersonRequest, retouch_id: UUID) -> Strip:
    try:
        return retouches.read(request.user, retouch_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None


def _page(
    request: PersonRequest, strip: Strip, *, refusal: StudioError | LedgerError | None = None, status: int = 200
) -> HttpResponse:
    shown = _shown(request, strip) | {"refusal": refusal}
    return render(request, "studio/retouch.html", shown, status=status)


def _shown(request: PersonRequest, strip: Strip) -> dict[str, Any]:
    """The strip, the latest take's card, and the take that stands beside the original: the one asked for, or else the
    latest that can be heard."""
    heard = [take for take in strip.takes if _track(take) is not None]
    asked = [take for take in heard if str(take.pk) == request.GET.get("take")]
    accepted = [take for take in heard if take.pk == strip.retouch.accepted_id]
    chosen = next(iter([*asked, *accepted, *reversed(heard)]), None)
    track = _track(chosen) if chosen else None
    source = strip.retouch.source
    return {
        "strip": strip,
        "retouch": strip.retouch,
        "source": source,
        "card": queries.card(request.user, strip.takes[-1].pk),
        "entries": [(take, queries.PHASES[take.generation.state], _place(strip, take)) for take in strip.takes],
        "places_left": range(len(strip.counted) + 1, strip.retouch.most_takes + 1),
        "chosen": chosen,
        # Whoever looks at one of them goes on looking at it, whatever comes.
        "is_picked": bool(asked),
        "chosen_place": _place(strip, chosen) if chosen else "",
        "track": track,
        "match_db": queries.matched([source.loudness_lufs, track.loudness_lufs]) if track else [],
        "verdicts": Verdict,
        "quote": generations.quote_price(request.user, retouches.ENDPOINT),
        "key": new_key(),
    }


def _track(take: Take) -> Track | None:
    track = retouches.track_of(take)
    return track if track and track.state == TrackState.READY and track.trashed_at is None else None


def _place(strip: Strip, take: Take) -> str:
    return str(take.number) if take in strip.counted else "–"
