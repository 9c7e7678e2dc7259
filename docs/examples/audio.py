"""Audio as the examples have it: one channel of 16-bit samples, in chunks of 100 ms."""

from __future__ import annotations

import math
import wave
from collections.abc import Iterable, Iterator
from pathlib import Path

RATE = 16_000
KIND = f"audio/{RATE}"  # of cast: audio of another rate is of another kind
CHUNK_BYTES = RATE // 10 * 2
LOUD, PAUSE, SHORTEST = 64.0, 4, 3  # in dB, and in chunks
SPEECH = Path(__file__).parent / "data" / "speech.wav"


def whole_chunk(data: bytes) -> bytes:
    """Return a chunk as it came.

    Raises:
        ValueError: it is no chunk.
    """
    if len(data) != CHUNK_BYTES:
        raise ValueError(f"expected {CHUNK_BYTES} bytes of PCM (100 ms), got {len(data)}")
    return data


def level(chunk: bytes) -> float:
    """Return the energy of some samples in dB, from 0 to 90."""
    samples = memoryview(chunk).cast("h")
    return 10 * math.log10(max(1.0, sum(sample * sample for sample in samples) / len(samples)))


def chunks_of(path: Path = SPEECH) -> list[bytes]:
    """Return the chunks of a recording, and half a second of silence behind them.

    Raises:
        ValueError: it is of another rate, or has several channels.
    """
    with wave.open(str(path)) as recording:
        if (recording.getframerate(), recording.getnchannels()) != (RATE, 1):
            raise ValueError(f"{path.name} is not one channel at {RATE} Hz")
        pcm = recording.readframes(recording.getnframes()) + bytes(5 * CHUNK_BYTES)
    return [pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)]


class Splitter:
    """Cuts chunks into stretches of speech, by their energy.

    Behind each stretch it is as new, so another one can go on from there. A library was not to be
    had for this: `auditok` reads from its source by itself, and waits for it; `webrtcvad` adapts to
    what it heard, so one that begins anew would cut elsewhere.

    Args:
        at: the number of the first chunk.
    """

    def __init__(self, at: int = 0) -> None:
        self._next = at
        self._chunks: list[bytes] = []
        self._loud = 0

    def add(self, number: int, chunk: bytes) -> tuple[int, int, bytes] | None:
        """Take the next chunk, and no other; return (start, end, PCM) where a stretch is over."""
        if number != self._next:
            return None
        self._next += 1
        self._chunks.append(chunk)
        if level(chunk) >= LOUD:
            self._loud = len(self._chunks)
        if self._loud and len(self._chunks) - self._loud < PAUSE:
            return None
        start, length = self._next - len(self._chunks), self._loud
        pcm = b"".join(self._chunks[:length])
        self._chunks, self._loud = [], 0
        return (start, start + length, pcm) if length >= SHORTEST else None


def stretches(chunks: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Return all stretches of speech in some chunks."""
    splitter = Splitter()
    for number, chunk in enumerate(chunks):
        if (stretch := splitter.add(number, chunk)) is not None:
            yield stretch
