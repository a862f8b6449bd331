"""Who asks: the request of somebody who is logged in."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from studio.models import User

P = ParamSpec("P")


class PersonRequest(HttpRequest):
    """A request as every view behind `for_people` gets it."""

    user: User
    htmx: HtmxDetails


def for_people(
    view: Callable[Concatenate[PersonRequest, P], HttpResponse],
) -> Callable[Concatenate[PersonRequest, P], HttpResponse]:
    """Send strangers to the login page and back; what is shown is never kept by a cache on the way."""

    @wraps(view)
    def guarded(request: PersonRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.htmx and not request.htmx.boosted:
            # A login form swapped into a corner of the page would help nobody: the whole page goes there.
            back = redirect_to_login(request.htmx.current_url_abs_path or "/", resolve_url(settings.LOGIN_URL))
            return HttpResponseClientRedirect(back.url)
        return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))

    return never_cache(guarded)
