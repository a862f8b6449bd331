"""One pass over a song's file: kept whole, made audible as a preview, drawn as peaks and measured."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from studio.media.analysis import Analysis
from studio.media.decode import decoder_for
from studio.media.errors import house_faults
from studio.media.peaks import OVERVIEW_SAMPLES_PER_PIXEL, SAMPLES_PER_PIXEL
from studio.media.pinned import SourceLimits
from studio.media.sniff import AUDIO_TYPES, HEAD_BYTES, sniff
from studio.media.source import Source, open_source
from studio.media.storage import MediaStorage, default_storage, master_key, peaks_key, preview_key


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest found and stored.

    `format` is what the bytes are, whatever the address called them. `silent` means that every sample is exactly zero.
    `loudness_lufs` is None for what is silent, too quiet or too short to have one, `true_peak_dbtp` for silence.
    """

    format: str
    master_key: str
    preview_key: str
    peaks_key: str
    overview_key: str
    bytes: int
    sha256: str
    duration_ms: int
    sample_rate: int
    channels: int
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    silent: bool


def ingest(
    source_url: str,
    *,
    track_id: UUID | int | str,
    storage: MediaStorage | None = None,
    limits: SourceLimits | None = None,
) -> Ingested:
    """Fetches `source_url` once; nothing is visible in the storage unless all of it is.

    Raises SourceFault (the file is bad or cannot be had) or HouseFault (our storage or encoder failed). Either way
    source, decoder, encoder and files are closed and no thread is left.
    """
    with house_faults(), open_source(source_url, limits=limits) as source:
        return _tee(source, track_id, storage or default_storage())


def _tee(source: Source, track_id: UUID | int | str, storage: MediaStorage) -> Ingested:
    head, blocks = _peek(source)
    kind = sniff(head)
    master_type = AUDIO_TYPES[kind]
    # The stack unwinds backwards: first the decoder ends, then the encoder it feeds, and then their files are dropped.
    with ExitStack() as stack:
        opened = stack.enter_context
        # An m4a may keep its index at the end, so it is read a second time.
        master = opened(storage.sink(master_key(track_id, kind), content_type=master_type, reread=kind == "m4a"))
        preview = opened(storage.sink(preview_key(track_id), content_type=AUDIO_TYPES["mp3"]))
        peaks = opened(storage.sink(peaks_key(track_id, SAMPLES_PER_PIXEL)))
        overview = opened(storage.sink(peaks_key(track_id, OVERVIEW_SAMPLES_PER_PIXEL)))
        analysis = opened(Analysis(preview))
        decoder = opened(decoder_for(kind, analysis, master))
        for block in blocks:
            master.write(block)
            decoder.feed(block)
        decoder.finish()
        analysis.end()
        master.seal()
        measured = analysis.finish()
        peaks.write(measured.waveform)
        overview.write(measured.overview)
        # As much as can fail has been done before the first file shows; the master comes last.
        for sink in (preview, peaks, overview):
            sink.seal()
        for sink in (overview, peaks, preview, master):
            sink.commit()
    return Ingested(
        kind,
        master_key=master.key,
        preview_key=preview.key,
        peaks_key=peaks.key,
        overview_key=overview.key,
        bytes=source.received_bytes,
        sha256=source.sha256,
        duration_ms=analysis.duration_ms,
        sample_rate=analysis.sample_rate,
        channels=analysis.channels,
        loudness_lufs=measured.loudness_lufs,
        true_peak_dbtp=measured.true_peak_dbtp,
        silent=analysis.silent,
    )


def _peek(source: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes to judge the file by, and all of its blocks including those."""
    blocks = iter(source)
    seen: list[bytes] = []
    while sum(map(len, seen)) < HEAD_BYTES and (block := next(blocks, None)) is not None:
        seen.append(block)
    return b"".join(seen)[:HEAD_BYTES], chain(seen, blocks)
