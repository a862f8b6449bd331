"""Who asks: the request of somebody who is logged in."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from studio.models import User

P = ParamSpec("P")
Answer = TypeVar("Answer", bound=HttpResponseBase)


class PersonRequest(HttpRequest):
    """A request as every view behind `for_people` gets it."""

    user: User
    htmx: HtmxDetails


def for_people(
    view: Callable[Concatenate[PersonRequest, P], Answer],
) -> Callable[Concatenate[HttpRequest, P], Answer | HttpResponse]:
    """Send strangers to the login page and back; what is shown is never kept by a cache on the way."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> Answer | HttpResponse:
        known = request.user.is_authenticated
        response = view(cast("PersonRequest", request), *args, **kwargs) if known else _to_login(request)
        add_never_cache_headers(response)
        return response

    return guarded


def _to_login(request: HttpRequest) -> HttpResponse:
    login_url = resolve_url(settings.LOGIN_URL)
    htmx = cast("PersonRequest", request).htmx
    if htmx and not htmx.boosted:
        # A login form swapped into a corner of the page would help nobody: the whole page goes there.
        return HttpResponseClientRedirect(redirect_to_login(htmx.current_url_abs_path or "/", login_url).url)
    return redirect_to_login(request.get_full_path(), login_url)
