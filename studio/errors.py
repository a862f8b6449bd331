"""What can go wrong in the studio, as classes with a stable code, a sentence for people and a hint."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input. `field` is None where it is about several."""

    code: str
    message: str
    hint: str = ""
    field: str | None = None


class StudioError(Exception):
    """The family of errors that a person can do something about."""

    code = "studio_error"
    message: str | Promise = _("That did not work.")
    hint: str | Promise = ""

    def __init__(self, message: str | Promise | None = None, hint: str | Promise | None = None) -> None:
        if message is not None:
            self.message = message
        if hint is not None:
            self.hint = hint
        super().__init__(str(self.message))


class NotFound(StudioError):
    """Not there, or somebody else's: the two look the same from outside."""

    code = "not_found"
    message = _("There is nothing here that is yours.")
    hint = _("Check the address, or look for it in your songs.")


class InvalidInput(StudioError):
    code = "invalid_input"
    message = _("Some of the input can't be used.")

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        super().__init__(first.message, first.hint)
        if len(self.problems) == 1:
            self.code = first.code


class TooManyWaiting(StudioError):
    code = "too_many_waiting"
    message = _("You have as many songs waiting as you may.")
    hint = _("Wait until one of them is ready, or cancel one.")
    retry_after_seconds = 30


class RateReached(StudioError):
    """Asked too often; there is room again after `retry_after_seconds`."""

    code = "rate_reached"
    message = _("That is faster than the studio takes it.")
    hint = _("Wait a moment; then it goes on.")

    def __init__(self, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__()


class UserRateReached(RateReached):
    code = "user_rate_reached"
    message = _("You are asking for songs faster than one person may.")
    hint = _("Wait a moment, then ask again. Nothing was charged.")


class OrganisationRateReached(RateReached):
    code = "organisation_rate_reached"
    message = _("Everybody together is asking for songs faster than the studio may.")
    hint = _("Wait a moment, then ask again. Nothing was charged.")


class AddressRateReached(RateReached):
    code = "address_rate_reached"
    message = _("There were too many calls from your address by somebody who isn't logged in.")
    hint = _("Wait a moment, then try again. Whoever is logged in is not held up.")


class FalUnavailable(StudioError):
    """fal fails just now, so the circuit breaker is open: nothing is sent, and nothing new is taken in."""

    code = "fal_unavailable"
    message = _("fal.ai is out of reach just now, so the studio takes no new songs.")
    hint = _("It looks again by itself. Nothing was charged, and nothing you typed is lost.")

    def __init__(self, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__()


class AlreadyMade(StudioError):
    """There is a song of the identical recipe, and nobody has said that it is to be made once more."""

    code = "already_made"
    message = _("You have made exactly this already.")
    hint = _("Listen to it for free, or tick “Make it once more”.")


class PresetNameTaken(StudioError):
    code = "preset_name_taken"
    message = _("You have a saved recipe of this name.")
    hint = _("Choose another name, or delete that one first.")


class TooManyPresets(StudioError):
    code = "too_many_presets"
    message = _("You have as many saved recipes as you may.")
    hint = _("Delete one that you don't need any more.")


class TooManyProjects(StudioError):
    code = "too_many_projects"
    message = _("You have as many projects as you may.")
    hint = _("Delete one that you don't need any more; its tracks stay.")


class TooManyMembers(StudioError):
    code = "too_many_members"
    message = _("This project has as many members as it may.")
    hint = _("Remove somebody first, or make a link.")


class TooManyLinks(StudioError):
    code = "too_many_links"
    message = _("This project has as many open links as it may.")
    hint = _("Revoke one first.")


class IdempotencyConflict(StudioError):
    code = "idempotency_conflict"
    message = _("This Idempotency-Key was used for another request.")
    hint = _("Use a new key for a new request.")


class InvalidIdempotencyKey(StudioError):
    code = "invalid_idempotency_key"
    message = _("An Idempotency-Key is 1 to 255 visible ASCII characters or spaces.")


class AlreadyFinal(StudioError):
    code = "already_final"
    message = _("This song is finished already, so it can't be cancelled.")
    hint = _("Reload to see how it ended.")


class TrackNotReady(StudioError):
    code = "track_not_ready"
    message = _("This track isn't ready yet.")
    hint = _("It will play as soon as it has been saved.")


class NotFailed(StudioError):
    code = "not_failed"
    message = _("Only what ended without a song can be taken out of the list.")


class TrackIsReady(StudioError):
    code = "track_is_ready"
    message = _("This track can be heard, so it isn't fetched again.")
    hint = _("Reload to play it.")


class FileForgotten(StudioError):
    code = "file_forgotten"
    message = _("fal keeps files for seven days, so this one can't be fetched any more.")
    hint = _("Make the song again from its recipe.")


class TrackInTrash(StudioError):
    code = "track_in_trash"
    message = _("This track is in the trash.")
    hint = _("Put it back first; that costs nothing.")


class TrackDeleted(StudioError):
    code = "track_deleted"
    message = _("This track was in the trash for its time, and its files are deleted.")
    hint = _("Make the song again from its recipe.")


class MasterGone(StudioError):
    code = "master_gone"
    message = _("The master is missing from the studio's storage.")
    hint = _("The MP3 may still play. Ask an admin of the studio to look for it.")


class MasterIsCold(StudioError):
    code = "master_is_cold"
    message = _("The master is in cold storage, and has to be asked back first.")
    hint = _("The MP3 is there at once. Ask for the master by the track's /master address or its page.")


class NoRestore(StudioError):
    code = "no_restore"
    message = _("The storage did not take the request, so nothing is on its way.")
    hint = _("Choose another speed, or try again in an hour.")


class NoSuchFormat(StudioError):
    code = "no_such_format"
    message = _("This track can't be had in that format.")
    hint = _("Take the format of its master, or the MP3. FLAC is for WAV masters of up to 24 bits.")


class InvalidRegion(StudioError):
    code = "invalid_region"
    message = _("There is no such part of this track.")
    hint = _("Give start and end in seconds, the end after the start, and at most 60 seconds between them.")


class TrackHidden(StudioError):
    code = "track_hidden"
    message = _("This is a take that nobody has accepted, so nothing is made from it.")
    hint = _("Accept it first; that costs nothing.")


class SourceTooLarge(StudioError):
    code = "source_too_large_for_fal"
    message = _("The master is too large to be handed to fal.")
    hint = _("Have it made from the MP3, or take a shorter track.")


class RetriesExhausted(StudioError):
    code = "retries_exhausted"
    message = _("All retries of this retouch are used.")
    hint = _("Accept one of the takes, keep the original, or begin a new retouch with another section or other words.")


class TakePending(StudioError):
    code = "take_pending"
    message = _("A take is still under way.")
    hint = _("Wait until it can be heard and judged, or cancel it.")


class RetouchOver(StudioError):
    code = "retouch_over"
    message = _("This retouch is over.")
    hint = _("Begin a new one from the track.")


class TakeNotReady(StudioError):
    code = "take_not_ready"
    message = _("This take can't be heard, so it can't be accepted.")
    hint = _("Choose one that is ready.")


class VerdictMissing(StudioError):
    code = "verdict_missing"
    message = _("Say first why the last take won't do.")
    hint = _("WRONG_WORDS, WRONG_VOICE, GLITCH, or OTHER with a few words.")


class NothingToUndo(StudioError):
    code = "nothing_to_undo"
    message = _("No take of this retouch is accepted.")


class TakeInUse(StudioError):
    code = "take_in_use"
    message = _("Something else was made from the accepted take, so it stays.")
    hint = _("Begin a new retouch from the track.")


class AccountClosed(StudioError):
    """A deactivated person's request that came in just before, and would have started something after."""

    code = "account_closed"
    message = _("This account is closed, so nothing new can be started.")
    hint = _("Ask an admin of the studio to open it again.")


class ScopeMissing(StudioError):
    """A token that is good, but not for this."""

    code = "scope_missing"
    message = _("This token may not be used for that.")

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(hint=_("Make a token with the scope %s on the page of your API tokens.") % ", ".join(scopes))


class LastAdmin(StudioError):
    code = "last_admin"
    message = _("This is the studio's only admin.")
    hint = _("Make somebody else a superuser first.")


class SongsUnderWay(StudioError):
    code = "songs_under_way"
    message = _("Some of this person's songs are still under way.")
    hint = _("Deactivate the person now, and try again when the songs have ended.")


class WhyMissing(StudioError):
    code = "why_missing"
    message = _("Say in a few words why.")
    hint = _("It stays in the admin's log.")


class NotComparable(StudioError):
    code = "not_comparable"
    message = _("Settings can be compared for new songs only, and this one was made from the sound of another.")
    hint = _("Start from the song that it was made from.")


class NotFrozen(StudioError):
    code = "not_frozen"
    message = _("This song was made from a description, which is read anew each time: its settings can't be compared.")
    hint = _("Freeze it: the tags and lyrics that Sonauto wrote are kept. The frozen song is a new one.")


class CantFreeze(StudioError):
    code = "cant_freeze"
    message = _("Sonauto did not tell which tags and lyrics it wrote for this song, so it can't be frozen.")
    hint = _("Start from a song of your own tags and lyrics.")


class NoRecipe(StudioError):
    code = "no_recipe"
    message = _("The file is no recipe of a song.")
    hint = _("Choose a recipe.json that the studio wrote.")


class NotReproducible(StudioError):
    code = "not_reproducible"
    message = _("Nobody promises that this song would come out the same again.")


class ArmNotFailed(StudioError):
    code = "arm_not_failed"
    message = _("Only an arm that ended without a song can be made once more.")
    hint = _("Reload to see how far it is.")


class NothingToJudge(StudioError):
    code = "nothing_to_judge"
    message = _("There is nothing to choose between yet.")
    hint = _("Wait until the arms can be heard.")


class RoundOver(StudioError):
    code = "round_over"
    message = _("This round has been answered.")
    hint = _("Go on with the next one.")


class ForeignRequest(Exception):
    """An outcome came under a request id that isn't the generation's. No person meets it: it is flagged."""

    code = "foreign_request"


class StaleTransition(StudioError):
    """Somebody moved the row first: a lost race, not a bug."""

    code = "stale_transition"

    def __init__(self, came_from: str, to: str) -> None:
        super().__init__(f"No way from {came_from} to {to} now.")
