"""A connection that breaks is taken up where it broke, and never at the price of a single wrong byte."""

import re
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from studio.media.errors import SourceFault, SourceMissing, SourceTooSlow, SourceTruncated, SourceUnavailable
from studio.media.pinned import SourceLimits
from studio.media.source import RECONNECTS, open_source
from tests.media.origin import Answer, Origin, chunked, head, whole

BODY = bytes(range(256)) * 4000
ETAG = '"of-this-file"'
LIMITS = SourceLimits(max_bytes=10_000_000, read_seconds=1, rate_window_seconds=1)
RANGE = re.compile(r"^range: bytes=(\d+)-\r$", re.IGNORECASE | re.MULTILINE)


def fetch(url: str, limits: SourceLimits = LIMITS) -> bytes:
    with open_source(url, limits=limits) as source:
        return b"".join(source)


def in_turn(origin: Origin, *answers: bytes | Callable[[str], bytes]) -> str:
    """Answers one after the other; a function is given the request, and the last one answers whatever follows."""
    left = list(answers)

    def next_one(connection: socket.socket) -> None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        connection.sendall(answer(origin.requests[-1]) if callable(answer) else answer)

    return origin.answer("/song", next_one)


def cut(at: int, **headers: object) -> bytes:
    return head(content_length=len(BODY), etag=ETAG, **headers) + BODY[:at]


def rest(
    request: str, *, until: int | None = None, shift: int = 0, total: object = len(BODY), body: bytes = BODY
) -> bytes:
    """What a server that knows Range answers, from where it was asked to begin; it may stop at `until`."""
    found = RANGE.search(request)
    assert found, request
    start = int(found[1]) + shift
    span = f"bytes {start}-{len(body) - 1}/{total}"
    return head(206, content_length=len(body) - start, content_range=span, etag=ETAG) + body[start:until]


def test_the_rest_is_asked_for_from_the_byte_where_it_broke(origin: Origin) -> None:
    assert fetch(in_turn(origin, cut(300_000), rest)) == BODY
    again = origin.requests[1].lower()
    assert "range: bytes=300000-\r\n" in again
    assert f"if-range: {ETAG}\r\n" in again
    assert len(origin.requests) == 2


@pytest.mark.parametrize("megabyte", range(5))
def test_a_file_that_breaks_in_every_part_comes_whole(origin: Origin, megabyte: int) -> None:
    step = 200_000 + megabyte
    breaks = [lambda request, end=end: rest(request, until=end) for end in range(2 * step, len(BODY), step)]
    with open_source(in_turn(origin, cut(step), *breaks, rest), limits=LIMITS) as source:
        assert b"".join(source) == BODY
        assert source.received_bytes == len(BODY)


@pytest.mark.parametrize(
    "again", [whole(BODY), whole(BODY, etag=ETAG), chunked(BODY)], ids=["no etag", "the same etag", "chunked"]
)
def test_a_server_without_ranges_is_read_again_from_the_start(origin: Origin, again: bytes) -> None:
    assert fetch(in_turn(origin, cut(300_001), again)) == BODY


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_etag_no_part_is_asked_for(origin: Origin, etag: str) -> None:
    begun = head(content_length=len(BODY), etag=etag) + BODY[:5000]
    assert fetch(in_turn(origin, begun, whole(BODY))) == BODY
    assert "range" not in origin.requests[1].lower()


@pytest.mark.parametrize("at", [0, 1, 70_000, len(BODY) - 1])
def test_a_break_anywhere_is_made_good(origin: Origin, at: int) -> None:
    assert fetch(in_turn(origin, cut(at), lambda request: rest(request) if at else whole(BODY))) == BODY
    assert fetch(in_turn(origin, cut(at), whole(BODY))) == BODY


def test_a_chunked_body_that_lost_its_end_only_is_whole(origin: Origin) -> None:
    assert fetch(in_turn(origin, chunked(BODY, ends=False), chunked(BODY))) == BODY


@pytest.mark.parametrize("place", [0, 150_000, 299_999])
def test_a_file_that_was_replaced_meanwhile_is_never_mixed_with_the_former(origin: Origin, place: int) -> None:
    other = bytearray(BODY)
    other[place] ^= 1
    with pytest.raises(SourceTruncated, match="another file"):
        fetch(in_turn(origin, cut(300_000), whole(bytes(other))))


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: rest(request, shift=1),
        lambda request: rest(request, shift=-1),
        lambda request: rest(request, total=len(BODY) + 1),
        lambda _: head(206, content_length=4) + b"RIFF",
        lambda _: head(206, content_length=4, content_range="bytes 0-3/4") + b"RIFF",
    ],
    ids=["too late", "too early", "of another length", "of who knows what", "the beginning"],
)
def test_a_part_that_was_not_asked_for_is_refused(origin: Origin, answer: Callable[[str], bytes]) -> None:
    with pytest.raises(SourceTruncated, match="asked for the rest"):
        fetch(in_turn(origin, cut(300_000), answer))


def test_a_part_whose_total_is_left_open_is_taken(origin: Origin) -> None:
    assert fetch(in_turn(origin, cut(300_000), lambda request: rest(request, total="*"))) == BODY


def test_a_server_that_was_away_for_a_moment_is_tried_again(origin: Origin) -> None:
    assert fetch(in_turn(origin, cut(300_000), head(503), b"", rest)) == BODY


def test_a_server_that_stays_away_is_unavailable(origin: Origin) -> None:
    with pytest.raises(SourceUnavailable):
        fetch(in_turn(origin, cut(300_000), head(503)))
    assert len(origin.requests) == 1 + RECONNECTS


def test_a_file_that_is_gone_after_the_break_is_missing(origin: Origin) -> None:
    with pytest.raises(SourceMissing):
        fetch(in_turn(origin, cut(300_000), head(404)))
    assert len(origin.requests) == 2


def test_a_server_that_always_breaks_at_the_same_byte_is_given_up_at_once(origin: Origin) -> None:
    with pytest.raises(SourceTruncated):
        fetch(in_turn(origin, cut(300_000)))
    assert len(origin.requests) == 2


def test_breaking_has_an_end(origin: Origin) -> None:
    one_more = lambda request: rest(request, until=int(RANGE.search(request)[1]) + 10)  # type: ignore[index] # noqa: E731
    with pytest.raises(SourceTruncated):
        fetch(in_turn(origin, cut(10), one_more), replace(LIMITS, max_resumes=4))
    assert len(origin.requests) == 1 + 4


def test_silence_is_no_break(origin: Origin) -> None:
    url = origin.answer("/song", origin.then_stall(cut(300_000)))
    with pytest.raises(SourceTooSlow):
        fetch(url, replace(LIMITS, read_seconds=0.1, rate_window_seconds=0.1))
    assert len(origin.requests) == 1


def test_the_rest_is_fetched_only_from_where_the_list_allows(origin: Origin) -> None:
    away = head(302, location="http://169.254.169.254/latest")
    with pytest.raises(SourceFault) as refused:
        fetch(in_turn(origin, cut(300_000), away))
    assert refused.value.code == "host_refused"


def test_a_size_beyond_the_limit_is_refused_across_breaks(origin: Origin) -> None:
    begun = head(transfer_encoding="chunked", etag=ETAG) + b"186a0\r\n" + BODY[:100_000] + b"\r\n"
    answers: list[bytes | Answer] = [begun]
    more = lambda request: rest(request, total="*")  # noqa: E731
    with pytest.raises(SourceFault) as refused:
        fetch(in_turn(origin, *answers, more), replace(LIMITS, max_bytes=500_000))  # type: ignore[arg-type]
    assert refused.value.code == "source_too_large"
