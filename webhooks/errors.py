"""Why a callback is not let in, as classes with a stable code."""

from webhooks.models import Outcome


class WebhookError(Exception):
    code = "webhook_error"
    message = "This callback can't be accepted."
    hint = ""
    # What the admin's count calls it; a stranger learns nothing from the answer.
    outcome: Outcome

    def __init__(self, outcome: Outcome | None = None) -> None:
        if outcome is not None:
            self.outcome = outcome
        super().__init__(self.message)


class NotVerified(WebhookError):
    """Not signed by fal, stale, or for another account. `stale_request_id` is there when only the time is wrong."""

    code = "not_verified"
    message = "The signature of this callback doesn't hold."
    hint = "Only fal calls here."

    def __init__(self, outcome: Outcome, *, stale_request_id: str | None = None) -> None:
        self.stale_request_id = stale_request_id
        super().__init__(outcome)


class OutOfReach(WebhookError):
    """fal can't be asked now for what a callback is judged by: fal should deliver it again."""

    code = "out_of_reach"
    message = "fal can't be asked at the moment whether this is its own."
    hint = "Deliver it again later."
    outcome = Outcome.OUT_OF_REACH
    retry_after_seconds = 30


class KeysUnreachable(OutOfReach):
    code = "keys_unreachable"
    message = "fal's keys can't be fetched at the moment."


class AddressesUnreachable(OutOfReach):
    code = "addresses_unreachable"
    message = "fal's addresses can't be fetched at the moment."


class WouldWait(OutOfReach):
    """fal was not asked, because whoever judges here can't wait. Nobody is told so: somebody who can judges anew."""

    code = "would_wait"


class BodyTooLarge(WebhookError):
    code = "too_large"
    message = "This callback is larger than any of fal's."
    hint = "A callback may have 256 KiB."
    outcome = Outcome.TOO_LARGE


class MethodNotAllowed(WebhookError):
    code = "method_not_allowed"
    message = "This address doesn't take that method."
    hint = "Allowed here: POST."
    outcome = Outcome.METHOD
