"""Experiments: make one from a song, listen to its arms, judge them, and all that there are."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ledger.errors import LedgerError
from studio import blind, experiment_queries, experiments, pricing
from studio.errors import NotFound, StudioError
from studio.forms import ExperimentForm, setting_words
from studio.http_statuses import status_of
from studio.models import Experiment, Track, User
from studio.states import Parameter
from studio.views.composer import new_key
from studio.views.people import PersonRequest, for_people
from studio.views.refusals import problems_of, say_when

# By how much the second value is proposed to differ, and the least and the most that there is.
STEPS: dict[str, tuple[float, float, float]] = {
    Parameter.VIBE_STRENGTH: (0.6, 1.4, 3.1),
    Parameter.BALANCE_STRENGTH: (0.3, 0.0, 1.0),
    Parameter.BPM: (20, 20, 300),
}
USUAL_BPM = 100


@require_safe
@for_people
def index(request: PersonRequest) -> HttpResponse:
    found = experiment_queries.of(request.user)
    return render(request, "studio/experiments.html", {"found": found, "parameters": Parameter.values})


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def new(request: PersonRequest, track_id: UUID) -> HttpResponse:
    """The values to compare. A refusal shows them again."""
    track = _base(request.user, track_id)
    if isinstance(track, StudioError):
        messages.error(request, f"{track.message} {track.hint}")
        return redirect("studio")
    if request.method != "POST":
        return render(request, "studio/experiment_new.html", _form(request.user, track, _proposed(request, track)))
    form = ExperimentForm(request.POST)
    try:
        experiment, _is_new = experiments.start(
            person=request.user, track_id=track.pk, idempotency_key=form.key, **form.asked()
        )
    except (StudioError, LedgerError) as error:
        shown = _form(request.user, track, form) | {"refusals": problems_of(error)}
        return say_when(render(request, "studio/experiment_new.html", shown, status=status_of(error)), error)
    return redirect("experiment", experiment.pk)


@require_POST
@for_people
def quote(request: PersonRequest, track_id: UUID) -> HttpResponse:
    """The price of what is typed and what stands in the way. Nothing is written."""
    track = _base(request.user, track_id)
    if isinstance(track, StudioError):
        raise Http404(str(track.message))
    return render(request, "studio/experiment_price.html", _price(request.user, track, ExperimentForm(request.POST)))


def _base(person: User, track_id: UUID) -> Track | StudioError:
    try:
        return experiments.base_of(person, track_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        return error


def _proposed(request: PersonRequest, track: Track) -> ExperimentForm:
    """The song's own value and one that is far enough from it to be heard."""
    asked = request.GET.get("parameter", "")
    parameter = Parameter(asked) if asked in Parameter.values else Parameter.VIBE_STRENGTH
    own = track.generation.recipe.get(parameter)
    step, least, most = STEPS[parameter]
    number = own if isinstance(own, int | float) else USUAL_BPM
    other = round(number + step if number + step <= most else max(least, number - step), 2)
    freeze = "" if experiments.is_frozen(track.generation) else request.GET.get("freeze", "")
    return ExperimentForm(
        {"parameter": parameter.value, "value_0": setting_words(own), "value_1": setting_words(other), "freeze": freeze}
    )


def _form(person: User, track: Track, form: ExperimentForm) -> dict[str, Any]:
    return {
        "track": track,
        "values": form.typed_values,
        "is_frozen": experiments.is_frozen(track.generation),
        "can_be_frozen": experiments.can_be_frozen(track.generation),
        "parameters": Parameter.values,
        "key": form.key or new_key(),
        **_price(person, track, form),
    }


def _price(person: User, track: Track, form: ExperimentForm) -> dict[str, Any]:
    plan = experiments.quote(person=person, track_id=track.pk, **form.asked())
    return {"plan": plan, "quote": plan.quote, "form": form, "parameter": form.data.get("parameter", "")}


# --- One of them -----------------------------------------------------------------------------------------------------


def own(person: User, experiment_id: UUID) -> Experiment:
    try:
        return experiment_queries.own(person, experiment_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None


@require_safe
@for_people
def show(request: PersonRequest, experiment_id: UUID) -> HttpResponse:
    return _page(request, own(request.user, experiment_id))


def _page(
    request: PersonRequest, experiment: Experiment, refusal: StudioError | LedgerError | None = None
) -> HttpResponse:
    arms = experiment_queries.arms_of(experiment)
    heard = [shown for shown in arms if shown.is_playable]
    shown = {
        "experiment": experiment,
        "arms": [
            (arm, setting_words(arm.arm.setting), db)
            for arm, db in zip(arms, experiment_queries.turned_down_db(arms), strict=True)
        ],
        "heard": heard,
        "shared_ms": experiment_queries.shared_ms(arms),
        "is_finished": all(arm.is_playable or arm.phase in ("ready", "failed", "cancelled") for arm in arms),
        "verdicts": experiment.verdicts.select_related("arm").order_by("-created_at"),
        "abx": blind.results(experiment),
        "open_round": blind.under_way(experiment),
        "rounds_offered": blind.ROUNDS_OFFERED,
        "retry_cost_micros": pricing.price_micros(experiments.ENDPOINT, 1),
        "refusal": refusal,
        "key": new_key(),
    }
    response = render(request, "studio/experiment.html", shown, status=status_of(refusal) if refusal else 200)
    return say_when(response, refusal) if refusal else response


@require_POST
@for_people
def judge(request: PersonRequest, experiment_id: UUID) -> HttpResponse:
    experiment = own(request.user, experiment_id)
    choice, note = request.POST.get("choice", ""), request.POST.get("note", "")
    try:
        experiments.judge(person=request.user, experiment_id=experiment.pk, choice=choice, note=note)
    except StudioError as error:
        return _page(request, experiment, error)
    return redirect("experiment", experiment.pk)


@require_POST
@for_people
def retry(request: PersonRequest, experiment_id: UUID, arm_id: UUID) -> HttpResponse:
    experiment = own(request.user, experiment_id)
    key = request.POST.get("idempotency_key") or None
    try:
        experiments.retry(person=request.user, experiment_id=experiment.pk, arm_id=arm_id, idempotency_key=key)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except (StudioError, LedgerError) as error:
        return _page(request, experiment, error)
    return redirect("experiment", experiment.pk)
