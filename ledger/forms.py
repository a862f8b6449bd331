"""What an admin fills in: amounts in dollars, when a change takes effect, and always a reason."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

from django import forms
from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.db.models import TextChoices
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ledger.dollars import display_dollars
from ledger.errors import InvalidAmount
from ledger.models import Quota
from ledger.money import parse_dollars
from ledger.quota_import import MAX_BYTES
from ledger.quota_plans import Wish
from ledger.quotas import TakesEffect, default_micros

MAX_REASON: Final = 500
SALT: Final = "ledger.quota-plan"
PLAN_SECONDS: Final = 3600
WHEN: Final = (
    (TakesEffect.NOW, _("now: this month’s budget changes as well")),
    (TakesEffect.NEXT_MONTH, _("from next month on")),
)

ROW_LABELS: Final = {
    "monthly": _("Monthly budget of %s"),
    "frozen": _("%s is frozen"),
    "rolls_over": _("%s rolls over"),
}


class DollarsField(forms.CharField):
    """Dollars in the form, micros behind it; empty is None."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "size": 12, "class": "dollars"})
        defaults: dict[str, Any] = {"widget": widget, "max_length": 20}
        super().__init__(**defaults | options)

    def prepare_value(self, value: int | str | None) -> str | None:
        return display_dollars(value).replace("$", "").replace(",", "") if isinstance(value, int) else value

    def to_python(self, value: str | None) -> int | None:  # type: ignore[override]
        text = super().to_python(value)
        try:
            return parse_dollars(text) if text else None
        except InvalidAmount as error:
            raise forms.ValidationError(f"{error.message} {error.hint}", error.code) from error

    def run_validators(self, value: Any) -> None:
        """Those of a text don't fit what is a number by now; `parse_dollars` has checked it."""


class ReasonField(forms.CharField):
    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "label": _("Reason"),
            "help_text": _("It stays in the log."),
            "max_length": MAX_REASON,
            "widget": forms.TextInput(attrs={"size": 60}),
        }
        super().__init__(**defaults | options)


class ReasonForm(forms.Form):
    reason = ReasonField()


class HowForm(forms.Form):
    """When a change of quotas takes effect, and why it is made."""

    takes_effect = forms.ChoiceField(label=_("Takes effect"), choices=WHEN, initial=TakesEffect.NOW)
    reason = ReasonField()


class QuotaRowForm(forms.ModelForm):  # type: ignore[type-arg]
    """A quota in the list. What it said when the page was made travels along, so that nobody's change is undone."""

    monthly = DollarsField(
        label=_("Monthly budget in dollars"),
        required=False,
        show_hidden_initial=True,
        help_text=_("Like 25.00. Empty: the studio’s default."),
    )
    frozen = forms.BooleanField(
        required=False, show_hidden_initial=True, help_text=_("A frozen person starts nothing new.")
    )
    rolls_over = forms.BooleanField(
        required=False,
        show_hidden_initial=True,
        help_text=_("What was left of the last month used is added to a new month."),
    )
    how: Mapping[str, Any]
    # A table's cells have no labels of their own.
    is_row: ClassVar[bool] = True

    class Meta:
        model = Quota
        fields = ("frozen", "rolls_over")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["monthly"] = self.instance.monthly_micros
        hint = gettext("default %s") % display_dollars(default_micros())
        self.fields["monthly"].widget.attrs["placeholder"] = hint
        if self.is_row and self.instance.pk:
            for name, label in ROW_LABELS.items():
                self.fields[name].widget.attrs["aria-label"] = label % self.instance.person

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in self.changed_data:
            if name in cleaned and name in ROW_LABELS and self._seen(name) != self.initial.get(name):
                self.add_error(name, gettext("Somebody has changed this meanwhile. Look at it again."))
        return cleaned

    def _seen(self, name: str) -> object:
        bound = self[name]
        said = bound.field.hidden_widget().value_from_datadict(self.data, self.files, bound.html_initial_name)
        return bound.field.to_python(said)


class QuotaForm(QuotaRowForm):
    """One person's quota on a page of its own."""

    is_row = False
    takes_effect = forms.ChoiceField(
        label=_("The monthly budget changes"), choices=WHEN, initial=TakesEffect.NOW, widget=forms.RadioSelect
    )
    reason = ReasonField()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not ROW_LABELS.keys() & set(self.changed_data):
            raise forms.ValidationError(gettext("This is what the quota says already."))
        self.how = {name: cleaned.get(name) for name in ("takes_effect", "reason")}
        return cleaned


class QuotaRowsForm(forms.BaseModelFormSet):  # type: ignore[type-arg]
    """The quotas of a page of the list, and for all of them one reason and one time."""

    how_form: HowForm

    def __init__(self, data: Any = None, *args: Any, **options: Any) -> None:
        super().__init__(data, *args, **options)
        self.how_form = HowForm(data)

    def clean(self) -> None:
        super().clean()
        changed = [cast("QuotaRowForm", form) for form in self.forms if form.has_changed()]
        if changed and not self.how_form.is_valid():
            raise forms.ValidationError(gettext("Say why, and when it takes effect, below the list."))
        for form in changed:
            form.how = self.how_form.cleaned_data


class AmountForm(forms.Form):
    amount = DollarsField(label=_("Dollars a month"), help_text=_("Like 25.00."))


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("CSV file"), allow_empty_file=True, widget=forms.FileInput(attrs={"accept": ".csv,text/csv"})
    )

    def clean_file(self) -> "UploadedFile[bytes]":
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError(gettext("The file is larger than 1 MB. Import it in parts."))
        return file


class ConfirmForm(HowForm):
    """Carries a plan from the page that showed it to the click that carries it out."""

    wishes = forms.CharField(widget=forms.HiddenInput)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def clean_wishes(self) -> list[Wish]:
        try:
            rows = signing.loads(self.cleaned_data["wishes"], salt=SALT, max_age=PLAN_SECONDS)
        except signing.BadSignature:
            raise forms.ValidationError(gettext("This preview is too old. Begin again.")) from None
        return [Wish(*row) for row in rows]


def carried(wishes: list[Wish]) -> str:
    rows = [[wish.person_id, wish.monthly_micros, wish.frozen, wish.rolls_over] for wish in wishes]
    return signing.dumps(rows, salt=SALT, compress=True)


class Adjusting(TextChoices):
    GIVE = "GIVE", _("Give more money for this month")
    TAKE = "TAKE", _("Take money back that is not spent yet")
    SPENT_LESS = "SPENT_LESS", _("Correct: less was spent (give back what was charged)")
    SPENT_MORE = "SPENT_MORE", _("Correct: more was spent")


CORRECTIONS: Final = frozenset({Adjusting.SPENT_LESS, Adjusting.SPENT_MORE})


class AdjustForm(forms.Form):
    """`token` names the act: the same form sent twice is one entry."""

    kind = forms.ChoiceField(label=_("What to do"), choices=Adjusting.choices, widget=forms.RadioSelect)
    amount = DollarsField(label=_("Amount in dollars"), help_text=_("Like 0.075."))
    house_pays = forms.BooleanField(
        label=_("The house pays the difference"),
        required=False,
        initial=True,
        help_text=_(
            "For corrections. Keep it on unless fal has corrected its own bill: the house’s books change by as much "
            "the other way, so the whole is still what fal bills."
        ),
    )
    reason = ReasonField()
    token = forms.UUIDField(widget=forms.HiddenInput)

    def clean_amount(self) -> int:
        amount: int = self.cleaned_data["amount"]
        if amount == 0:
            raise forms.ValidationError(gettext("An adjustment of nothing changes nothing."))
        return amount


class CapForm(forms.Form):
    cap = DollarsField(
        label=_("Monthly cap in dollars"),
        required=False,
        help_text=_("Like 500.00. Empty: no cap, only the personal budgets hold."),
    )
    reason = ReasonField()
