"""Every address of the studio."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from neoapex import csp_reports, health, metrics, problems
from neoapex.api import api, balance_as_before

handler400 = problems.bad_request
handler403 = problems.forbidden
handler404 = problems.not_found
# allauth's name for it: too many logins, password resets and the like.
handler429 = problems.too_many_requests
handler500 = problems.server_error

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("api/", api.urls),
    path("credits/balance", balance_as_before),
    path("", include("webhooks.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("csp-reports/", csp_reports.take, name="csp_reports"),
    # Browsers ask for it here on pages that are not ours, such as the admin.
    path("favicon.ico", RedirectView.as_view(url=lazy(static, str)("img/mark.svg"))),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("", include("studio.urls")),
]
