"""Why a callback is not let in, as classes with a stable code."""


class WebhookError(Exception):
    code = "webhook_error"
    message = "This callback can't be accepted."
    hint = ""

    def __init__(self, detail: str = "") -> None:
        # The detail is for the log and the admin; a stranger learns nothing from the answer.
        self.detail = detail
        super().__init__(detail or self.message)


class NotVerified(WebhookError):
    """Not signed by fal, stale, or for another account. `stale_request_id` is there when only the time is wrong."""

    code = "not_verified"
    message = "The signature of this callback doesn't hold."
    hint = "Only fal calls here."

    def __init__(self, detail: str = "", *, stale_request_id: str | None = None) -> None:
        self.stale_request_id = stale_request_id
        super().__init__(detail)


class KeysUnreachable(WebhookError):
    """fal's keys can't be fetched now, so nothing can be verified: fal should try again."""

    code = "keys_unreachable"
    message = "fal's keys can't be fetched at the moment."
    hint = "Deliver it again later."
    retry_after_seconds = 30


class BodyTooLarge(WebhookError):
    code = "too_large"
    message = "This callback is larger than any of fal's."
    hint = "A callback may have 256 KiB."


class MethodNotAllowed(WebhookError):
    code = "method_not_allowed"
    message = "This address doesn't take that method."
    hint = "Allowed here: POST."
