"""The mel spectrogram of the pretrained encoders, equal to librosa's, which takes a second to import."""

import functools

import numpy as np

RATE, FRAME, HOP = 16_000, 400, 160  # Hz, samples, samples: 25 ms every 10 ms


def spectrogram(samples, bands, padding):
    """Power in Slaney's mel bands, a step every 10 ms.

    Args:
        samples, bands: float32 (n,) at RATE; number of mel bands.
        padding: what stands before and after the sound, as `numpy.pad` names it: "constant" or "reflect".
    Returns: float32 (1 + n // 160, bands).
    """
    padded = np.pad(samples, FRAME // 2, padding)
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP] * window  # (T, FRAME)
    return np.abs(np.fft.rfft(frames)) ** 2 @ _bank(bands)


@functools.cache
def _bank(bands):
    """float32 (201, bands): triangles of equal area; linear up to 1 kHz, that is 15 mel, then logarithmic."""
    mel = np.linspace(0, 15 + 27 * np.log(RATE / 2000) / np.log(6.4), bands + 2)
    edges = np.where(mel < 15, 200 / 3 * mel, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))  # Hz
    frequency, width = np.fft.rfftfreq(FRAME, 1 / RATE)[:, None], np.diff(edges)
    triangles = np.minimum((frequency - edges[:-2]) / width[:-1], (edges[2:] - frequency) / width[1:])
    return (np.maximum(0, triangles) * 2 / (edges[2:] - edges[:-2])).astype(np.float32)
