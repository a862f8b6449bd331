"""Admin is a window on the money and a door to the quotas."""

import pytest
from django.contrib import admin
from django.contrib.admin.sites import site
from django.test import RequestFactory

from ledger import operations
from ledger.admin import QuotaForm
from ledger.models import Budget, Entry, Quota
from studio.models import User
from tests.ledger.conftest import NOVEMBER


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root@example.com")


def shown(model: type[Budget | Entry | Quota], superuser: User) -> list[list[object]]:
    """The cells of the model's list, as its columns' functions give them."""
    window = site.get_model_admin(model)
    rows = window.get_queryset(RequestFactory().get("/"))
    columns = [getattr(window, str(name), None) for name in window.list_display]
    return [[column(row) for column in columns if callable(column)] for row in rows]


class TestWindows:
    @pytest.mark.parametrize("model", [Budget, Entry])
    def test_money_can_be_looked_at_and_not_touched(self, superuser: User, model: type[Budget | Entry]) -> None:
        window: admin.ModelAdmin[Budget | Entry] = site.get_model_admin(model)
        request = RequestFactory().get("/")
        request.user = superuser
        assert window.has_view_permission(request)
        assert not window.has_add_permission(request)
        assert not window.has_change_permission(request)
        assert not window.has_delete_permission(request)
        assert not window.get_actions(request)

    def test_money_is_shown_in_dollars(self, superuser: User, ada: User) -> None:
        operations.hold(person=ada, amount_micros=112_500, reference="song", now=NOVEMBER)
        operations.charge(reference="song", amount_micros=75_000)
        assert shown(Budget, superuser) == [["$1.00", "$0.00", "$0.075", "$0.925"]]
        assert shown(Entry, superuser)[0] == ["", "-$0.1125", "+$0.075"]

    @pytest.mark.parametrize("model", [Budget, Entry, Quota])
    def test_the_windows_pass_djangos_checks(self, model: type[Budget | Entry | Quota]) -> None:
        assert site.get_model_admin(model).check() == []


class TestQuotaForm:
    def fill(self, person: User, dollars: str, instance: Quota | None = None) -> QuotaForm:
        return QuotaForm({"person": person.pk, "monthly_micros": dollars}, instance=instance)

    @pytest.mark.parametrize(("dollars", "micros"), [("25.00", 25_000_000), ("0", 0), ("", None)])
    def test_a_quota_is_written_in_dollars(self, ada: User, dollars: str, micros: int | None) -> None:
        self.fill(ada, dollars).save()
        assert Quota.objects.get(person=ada).monthly_micros == micros

    @pytest.mark.parametrize("dollars", ["-1", "ten", "1e3", "1000001"])
    def test_what_is_no_amount_is_refused_beside_its_field(self, ada: User, dollars: str) -> None:
        assert list(self.fill(ada, dollars).errors) == ["monthly_micros"]

    def test_a_quota_comes_back_as_it_was_written(self, ada: User) -> None:
        own = Quota.objects.create(person=ada, monthly_micros=2_500_000)
        assert QuotaForm(instance=own)["monthly_micros"].value() == "2.5000"
        assert not self.fill(ada, "2.50", own).has_changed()
        self.fill(ada, "", own).save()
        assert Quota.objects.get(person=ada).monthly_micros is None

    def test_the_list_says_which_quotas_are_the_default(self, superuser: User, ada: User, bo: User) -> None:
        Quota.objects.create(person=ada, monthly_micros=2_500_000)
        Quota.objects.create(person=bo, frozen=True)
        assert sorted(shown(Quota, superuser)) == [["$1.00 (default)"], ["$2.50"]]
