"""Audio as the examples have it: one channel of 16-bit samples, in chunks of 100 ms."""

import math
import wave
from pathlib import Path

RATE = 16_000
KIND = f"audio/{RATE}"  # of cast: audio of another rate is of another kind
CHUNK_BYTES = RATE // 10 * 2
LOUD = 64.0  # dB: speech is louder, and the room is not
SPEECH = Path(__file__).parent / "data" / "speech.wav"


def whole_chunk(data: bytes) -> bytes:
    """Return a chunk as it came, or raise a ValueError where it is none."""
    if len(data) != CHUNK_BYTES:
        raise ValueError(f"expected {CHUNK_BYTES} bytes of PCM (100 ms), got {len(data)}")
    return data


def level(chunk: bytes) -> float:
    """Return the energy of some samples in dB, from 0 to 90."""
    samples = memoryview(chunk).cast("h")
    return 10 * math.log10(max(1.0, sum(sample * sample for sample in samples) / len(samples)))


def chunks_of(path: Path = SPEECH) -> list[bytes]:
    """Return the chunks of a recording, and half a second of silence behind them."""
    with wave.open(str(path)) as recording:
        if (recording.getframerate(), recording.getnchannels()) != (RATE, 1):
            raise ValueError(f"{path.name} is not one channel at {RATE} Hz")
        pcm = recording.readframes(recording.getnframes()) + bytes(5 * CHUNK_BYTES)
    return [pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)]
