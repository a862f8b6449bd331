"""What somebody's own experiments say about a parameter, as a page and as CSV."""

from collections.abc import Iterator

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studio import downloads, readings
from studio.forms import setting_words
from studio.reading_chart import chart_of
from studio.readings import Reading
from studio.states import Parameter
from studio.views.people import PersonRequest, for_people

COLUMNS = ("parameter", "genre", "value", "won", "experiments", "share", "low_95", "high_95", "by_chance")
ALL_GENRES = "all"


@require_safe
@for_people
def show(request: PersonRequest, parameter: str) -> HttpResponse:
    chosen = _parameter(parameter)
    found = readings.of(request.user, chosen)
    shown = {
        "parameter": chosen.value,
        "parameters": Parameter.values,
        "readings": [(reading, chart_of(reading, setting_words)) for reading in found],
    }
    return render(request, "studio/experiment_reading.html", shown)


@require_safe
@for_people
def as_csv(request: PersonRequest, parameter: str) -> StreamingHttpResponse:
    chosen = _parameter(parameter)
    rows = (row for reading in readings.of(request.user, chosen) for row in _rows(chosen, reading))
    return downloads.attachment(downloads.csv_rows(COLUMNS, rows), downloads.CSV, f"neoapex-experiments-{chosen}.csv")


def _rows(parameter: Parameter, reading: Reading) -> Iterator[list[str]]:
    for share in reading.shares:
        numbers = (share.share, share.low, share.high, share.by_chance)
        yield [
            parameter.value,
            reading.genre or ALL_GENRES,
            setting_words(share.value),
            str(share.wins),
            str(share.offered),
            *(f"{number:.4f}" for number in numbers),
        ]


def _parameter(name: str) -> Parameter:
    if name not in Parameter.values:
        raise Http404
    return Parameter(name)
