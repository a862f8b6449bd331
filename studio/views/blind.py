"""Blind listening: what is sent before the answer tells nothing of which is which."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studio import blind, experiment_queries
from studio.errors import NotFound, StudioError
from studio.http_statuses import status_of
from studio.media.ranges import HeldFile, opened_response
from studio.models import Round
from studio.states import TrialKind
from studio.views.people import PersonRequest, for_people
from studio.views.refusals import say_when

NO_DIFFERENCE = "none"


@require_POST
@for_people
def begin(request: PersonRequest, experiment_id: UUID) -> HttpResponse:
    asked = request.POST
    rounds = int(asked["rounds"]) if asked.get("rounds", "").isdecimal() else 1
    try:
        drawn = blind.begin(
            person=request.user,
            experiment_id=experiment_id,
            kind=asked.get("kind", ""),
            rounds=rounds,
            letters=asked.getlist("letters"),
        )
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        messages.error(request, f"{error.message} {error.hint}")
        return redirect("experiment", experiment_id)
    return redirect("blind", experiment_id, drawn.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def play(request: PersonRequest, experiment_id: UUID, round_id: UUID) -> HttpResponse:
    """The round to be answered. Once it is, the way leads on."""
    asked = _own(request, experiment_id, round_id)
    if request.method == "POST":
        return _answer(request, asked)
    if asked.answered_at is not None or asked.trial.finished_at is not None:
        return redirect("experiment", experiment_id)
    return _page(request, asked)


def _answer(request: PersonRequest, asked: Round) -> HttpResponse:
    experiment_id = asked.trial.experiment_id
    choice = request.POST.get("choice", "")
    slot = None if choice == NO_DIFFERENCE else int(choice) if choice.isdecimal() else -1
    note = request.POST.get("note", "")
    try:
        following = blind.answer(
            person=request.user, experiment_id=experiment_id, round_id=asked.pk, slot=slot, note=note
        )
    except StudioError as error:
        return _page(request, asked, error)
    if following is not None:
        return redirect("blind", experiment_id, following.pk)
    return redirect("experiment", experiment_id)


def _page(request: PersonRequest, asked: Round, refusal: StudioError | None = None) -> HttpResponse:
    is_abx = asked.trial.kind == TrialKind.ABX
    arms = [
        shown
        for shown in experiment_queries.arms_of(asked.trial.experiment)
        if shown.arm.position in asked.order and shown.is_playable
    ]
    shown = {
        "experiment_id": asked.trial.experiment_id,
        "round": asked,
        "is_abx": is_abx,
        "number": asked.number + 1,
        "of": asked.trial.rounds_wanted,
        "names": ["A", "B", "X"] if is_abx else [str(slot + 1) for slot in range(len(asked.order))],
        # As long as all are made.
        "shared_ms": experiment_queries.shared_ms(arms),
        "refusal": refusal,
    }
    response = render(request, "studio/blind.html", shown, status=status_of(refusal) if refusal else 200)
    return say_when(response, refusal) if refusal else response


@require_safe
@for_people
def sound(request: PersonRequest, experiment_id: UUID, round_id: UUID, slot: int) -> HttpResponseBase:
    """The same length, the same number of bytes and the same headers for every slot."""
    try:
        made = blind.sound(person=request.user, experiment_id=experiment_id, round_id=round_id, slot=slot)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        return say_when(HttpResponse(str(error.message), content_type="text/plain", status=status_of(error)), error)
    begun_at = blind.own_round(request.user, experiment_id, round_id).trial.created_at
    file = HeldFile(made, modified_at=begun_at, etag=f'"{slot}"')
    return opened_response(request, file, "audio/mpeg", "inline")


@require_POST
@for_people
def give_up(request: PersonRequest, experiment_id: UUID) -> HttpResponse:
    try:
        blind.give_up(person=request.user, experiment_id=experiment_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    return redirect("experiment", experiment_id)


def _own(request: PersonRequest, experiment_id: UUID, round_id: UUID) -> Round:
    try:
        return blind.own_round(request.user, experiment_id, round_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
