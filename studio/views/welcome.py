"""The link that logs somebody in once; it exists in embedded mode only."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from sesame.views import LoginView


class Welcome(LoginView):  # type: ignore[misc]
    """Log in with `?sesame=` and go on to `next` within the studio."""

    def login_failed(self) -> HttpResponse:
        if self.request.user.is_authenticated:
            # The link was opened twice in the same browser: they are in already.
            return redirect(self.get_success_url())
        return render(self.request, "studio/stale_link.html", status=403)
