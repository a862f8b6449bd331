"""What fal says of the key, the account, the endpoints and their prices."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from ledger.dollars import display_dollars
from neoapex.doctor.findings import Verdict, advice, ok, wrong
from studio import endpoints
from studio.fal import billing, catalogue, client
from studio.fal.billing import BillUnreadable
from studio.fal.errors import FalError
from webhooks.models import Delivery, Outcome, Tally

Check = Callable[[], Sequence[Verdict]]

LATELY = timedelta(hours=24)
TOP_UP = "Top up the balance at fal.ai/dashboard/billing."
NEW_KEY = "Make a key in fal's dashboard, put it into FAL_KEY or FAL_KEY_FILE, and restart."
UNREACHABLE = "Look at NEOAPEX_FAL_API_URL, at the firewall, and at fal's status page."


def _asked(check: Check) -> Check:
    """The same check, with what fal refuses or fails at as its verdict."""

    @wraps(check)
    def asked() -> Sequence[Verdict]:
        try:
            return check()
        except BillUnreadable as error:
            return [wrong(error.message, error.hint)]
        except FalError as error:
            return [_refused(error)]
        except ValueError as error:
            return [wrong(str(error), NEW_KEY)]

    return asked


def _refused(error: FalError) -> Verdict:
    if error.status_code == 401:
        return wrong("fal refuses the key.", NEW_KEY)
    if error.status_code == 403 and "locked" in error.raw.lower():
        return wrong("fal has locked the account: its balance is used up.", TOP_UP)
    if error.status_code == 403:
        return wrong("fal does not let the key do this.", NEW_KEY)
    if error.status_code == 429:
        return advice("fal was asked too often just now.", "Try again in a minute.")
    answered = f"it answers {error.status_code}" if error.status_code else error.message
    return wrong(f"fal's platform API can't be used: {answered}", UNREACHABLE)


def _ids() -> list[str]:
    return [endpoint.fal_id for endpoint in endpoints.ENDPOINTS.values()]


@_asked
def key() -> Sequence[Verdict]:
    """By the price list, which costs nothing and is shown to no stranger."""
    if not settings.FAL_KEY:
        return [wrong("There is no FAL_KEY.", NEW_KEY)]
    maker = client.from_settings(with_admin_key=False)
    maker.read_api(billing.PRICES_PATH, {"endpoint_id": _ids()})
    return [ok("fal takes the key.")]


def bill() -> Sequence[Verdict]:
    """Whether `reconcile_fal` could compare."""
    since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    try:
        client.from_settings().read_api(billing.EVENTS_PATH, {"start": since, "limit": 1})
    except (FalError, ValueError) as error:
        return [_no_bill(getattr(error, "status_code", None))]
    return [ok("fal's bill can be read.")]


def _no_bill(status_code: int | None) -> Verdict:
    name = "FAL_ADMIN_KEY" if settings.FAL_ADMIN_KEY else "FAL_KEY"
    admin_key = "Make a key with the ADMIN scope and put it into FAL_ADMIN_KEY."
    if status_code == 401:
        return wrong(f"fal refuses {name}: reconcile_fal can't compare.", admin_key)
    if status_code == 403 and settings.FAL_ADMIN_KEY:
        return wrong("fal shows its bill not even to FAL_ADMIN_KEY.", admin_key)
    if status_code == 403:
        return advice("fal shows its bill to admin keys only: reconcile_fal can't compare.", admin_key)
    return advice("fal's bill can't be read just now.", UNREACHABLE)


def account() -> Sequence[Verdict]:
    """Whether callbacks of other accounts are told from ours."""
    if not settings.NEOAPEX_FAL_USER_ID:
        return [
            advice(
                "NEOAPEX_FAL_USER_ID is not set: a callback is only a hint to ask fal.",
                "Set it to the account's id: fal sends it with each callback, as X-Fal-Webhook-User-Id.",
            )
        ]
    refused, taken = _callbacks_since(timezone.now() - LATELY)
    if refused and not taken:
        return [
            wrong(
                f"All callbacks of the last day, {refused}, were refused: they are not of NEOAPEX_FAL_USER_ID.",
                "Compare the id with the account's in fal's dashboard.",
            )
        ]
    return [ok(f"Only callbacks of this account are taken; {refused} of others were refused in the last day.")]


def _callbacks_since(since: datetime) -> tuple[int, bool]:
    """How many were refused as another account's, and whether any of ours came."""
    others = Tally.objects.filter(outcome=Outcome.ACCOUNT, hour__gte=since).aggregate(count=Sum("count"))
    return others["count"] or 0, Delivery.objects.filter(received_at__gte=since, pinned=True).exists()


@_asked
def offered() -> Sequence[Verdict]:
    """Whether the endpoints are still there."""
    said = catalogue.statuses(client.from_settings().read_api, _ids())
    return [_offered(fal_id, said.get(fal_id)) for fal_id in _ids()]


def _offered(fal_id: str, status: str | None) -> Verdict:
    match status:
        case "active":
            return ok(f"{fal_id} is active.")
        case "deprecated":
            return wrong(f"{fal_id} is deprecated.", "It will end: look at its page for what follows it.")
        case None:
            return wrong(
                f"{fal_id} is gone from fal's catalogue.", "Take it out of studio/endpoints.py, or name its heir."
            )
    return advice(f"{fal_id} is {status[:40]}, whatever that means.", "Look at its page at fal.ai.")


@_asked
def prices() -> Sequence[Verdict]:
    """Whether a song costs at fal what people are told."""
    said = billing.prices_micros(client.from_settings(with_admin_key=False).read_api, _ids())
    return [_price(one.fal_id, one.prices[-1].micros, said.get(one.fal_id)) for one in endpoints.ENDPOINTS.values()]


def _price(fal_id: str, ours: int, fals: int | None) -> Verdict:
    if fals is None:
        return wrong(f"fal's price list does not name {fal_id}.", "Look at its page at fal.ai.")
    if fals != ours:
        return wrong(
            f"{fal_id} costs {display_dollars(fals)} at fal and {display_dollars(ours)} here.",
            "Add the new price with its date to studio/endpoints.py: people are charged what stands there.",
        )
    return ok(f"{fal_id} costs {display_dollars(ours)}.")
