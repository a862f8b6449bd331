"""What can go wrong between us and fal, and what each case means for the request and for the money."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final, Literal

WhoseFault = Literal["you", "fal", "us"]

RAW_MAX_CHARACTERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Said:
    """What fal's answer said, where there was one. `raw` is its text without the key and without our own inputs."""

    status_code: int | None = None
    request_id: str | None = None
    error_type: str | None = None
    raw: str = ""
    retry_after_seconds: float | None = None
    billable_units: Decimal | None = None


NOTHING_SAID: Final = Said()


class FalError(Exception):
    """`whose` says who can do something about it; `provider_failed` is what a circuit breaker counts."""

    code: str = "fal_error"
    whose: WhoseFault = "fal"
    default_message: ClassVar[str] = "Something went wrong between the studio and fal.ai."
    default_hint: ClassVar[str] = "Try again in a moment."

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        code: str = "",
        whose: WhoseFault | None = None,
        said: Said = NOTHING_SAID,
        provider_failed: bool = False,
    ) -> None:
        self.message = message or self.default_message
        self.hint = hint or self.default_hint
        self.code = code or type(self).code
        self.whose = whose or type(self).whose
        self.said = said
        self.provider_failed = provider_failed
        super().__init__(self.message)

    @property
    def request_id(self) -> str | None:
        return self.said.request_id

    @property
    def raw(self) -> str:
        return self.said.raw

    @property
    def status_code(self) -> int | None:
        return self.said.status_code

    @property
    def retry_after_seconds(self) -> float | None:
        return self.said.retry_after_seconds


# -- of a submit ------------------------------------------------------------------------------------------------------


class NotAccepted(FalError):
    """fal provably has no such request: it may be sent again, after `retry_after_seconds` where fal named a time."""

    code = "fal_not_accepted"
    default_message = "fal.ai could not take the request just now."
    default_hint = "The studio sends it again by itself."


class Refused(FalError):
    """fal has no such request and will not take it: final."""

    code = "fal_refused"
    whose: WhoseFault = "us"
    default_message = "fal.ai refused the request."
    default_hint = "Tell the studio's admin: the details below say why."


class KeyRefused(Refused):
    code = "fal_key_refused"
    default_message = "fal.ai does not accept the studio's key."
    default_hint = "The studio's admin has to check FAL_KEY."


class AccountLocked(Refused):
    code = "fal_account_locked"
    default_message = "The studio's account at fal.ai is locked, most likely because its balance is used up."
    default_hint = "The studio's admin has to top it up at fal.ai."


class EndpointRetired(Refused):
    code = "fal_endpoint_retired"
    whose: WhoseFault = "fal"
    default_message = "fal.ai does not offer this model any more."
    default_hint = "Tell the studio's admin."


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """`field` is in our names, "" where fal named none."""

    field: str
    message: str


class InputRefused(Refused):
    """The model's rules refused the input; `problems` says where, in our names."""

    code = "fal_input_refused"
    whose: WhoseFault = "you"
    default_message = "Sonauto does not accept this input."
    default_hint = "Change it and try again."

    problems: tuple[FieldProblem, ...] = ()


class Ambiguous(FalError):
    """fal may have the request and may bill it: it must never be sent again. The callback or fal's record decides."""

    code = "fal_answer_lost"
    default_message = "fal.ai's answer got lost, so the request may be running."
    default_hint = "The studio waits for the song; it is not sent twice."


# -- of a status, a result, a cancel ----------------------------------------------------------------------------------


class NotFinished(FalError):
    code = "fal_not_finished"
    default_message = "The song is still being made."
    default_hint = "It appears here by itself."


class NotFound(FalError):
    """fal knows no such request, or keeps it no longer."""

    code = "fal_request_not_found"
    default_message = "fal.ai has no record of this request."
    default_hint = "It may have expired there. Ask for the song again."


class Unreachable(FalError):
    """Nothing was learnt about the request: ask later, after `retry_after_seconds` where fal named a time."""

    code = "fal_unreachable"
    default_message = "fal.ai is out of reach."
    default_hint = "The studio asks again by itself."


class GenerationFailed(FalError):
    """The model's own failure, the same from a callback and from a result: final.

    `billable_units` above zero mean that fal bills it all the same.
    """

    code = "generation_failed"
    default_message = "Sonauto could not make this song."
    default_hint = "Try again, or change the input a little."

    problems: tuple[FieldProblem, ...] = ()
    cancelled: bool = False

    @property
    def error_type(self) -> str | None:
        return self.said.error_type

    @property
    def billable_units(self) -> Decimal | None:
        return self.said.billable_units


# -- of an upload -----------------------------------------------------------------------------------------------------


class UploadRefused(FalError):
    """The file was not taken and will not be: too large, or fal said no."""

    code = "fal_upload_refused"
    whose: WhoseFault = "us"
    default_message = "fal.ai did not take the audio file."
    default_hint = "Tell the studio's admin: the details below say why."
