"""What a personal token has to be good for, call by call."""

import re
from collections.abc import Collection, Mapping

from django.http import HttpRequest

from studio.states import Scope

# Reading is READ. Whatever writes has a line; one without it is for tokens that may do everything, and fails a test.
WRITES: Mapping[str, Scope] = {
    "POST /quotes": Scope.READ,
    "POST /generations": Scope.SONGS,
    "POST /generations/{generation_id}/cancel": Scope.SONGS,
    "PATCH /tracks/{track_id}": Scope.LIBRARY,
    "DELETE /tracks/{track_id}": Scope.LIBRARY,
    "POST /tracks/{track_id}/restore-from-trash": Scope.LIBRARY,
    "POST /tracks/{track_id}/fetch-again": Scope.LIBRARY,
    "POST /projects": Scope.LIBRARY,
    "PATCH /projects/{project_id}": Scope.LIBRARY,
    "DELETE /projects/{project_id}": Scope.LIBRARY,
    "POST /projects/{project_id}/members": Scope.LIBRARY,
    "DELETE /projects/{project_id}/members/{member_id}": Scope.LIBRARY,
    "POST /projects/{project_id}/links": Scope.LIBRARY,
    "DELETE /projects/{project_id}/links/{link_id}": Scope.LIBRARY,
    "POST /retouches": Scope.SONGS,
    "POST /retouches/{retouch_id}/takes": Scope.SONGS,
    "POST /retouches/{retouch_id}/accept": Scope.SONGS,
    "POST /retouches/{retouch_id}/abandon": Scope.SONGS,
    "POST /retouches/{retouch_id}/undo": Scope.SONGS,
    "POST /extensions": Scope.SONGS,
    "POST /experiments": Scope.SONGS,
    "POST /experiments/quotes": Scope.READ,
    "POST /experiments/{experiment_id}/verdicts": Scope.SONGS,
    "POST /experiments/{experiment_id}/arms/{arm_id}/retry": Scope.SONGS,
}
ROOT = "/api"
_PART = re.compile(r"<(?:\w+:)?(\w+)>")


def needed_for(method: str, path: str) -> Collection[Scope]:
    """For a call as the API's description names it, below its root."""
    if method in ("GET", "HEAD"):
        return (Scope.READ,)
    scope = WRITES.get(f"{method} {path}")
    return tuple(Scope) if scope is None else (scope,)


def needed(request: HttpRequest) -> Collection[Scope]:
    route = request.resolver_match.route if request.resolver_match else ""
    return needed_for(str(request.method), "/" + _PART.sub(r"{\1}", route).removeprefix(ROOT[1:]).lstrip("/"))
