"""A sound as the networks take it: the thesis' MFCC, and if wanted how they change, prosody, no silence at the ends."""

import numpy as np

from helpers import prosody, speech
from helpers.config import AudioConfig

AROUND = 3  # frames of what is cut off stay at each end


def features(samples, rate, config=None):
    """What the audio stream's networks take.

    Args:
        samples: float (n,), mono.
        rate: of the samples, in Hz; must be the configured one.
        config: AudioConfig, the thesis' 13 MFCC by default.

    Returns:
        (features, times): float32 (T, width(config)), the columns in `columns`' order; float32 (T,), the middle of
        each frame in seconds.

    Raises:
        ValueError: as `speech.mfcc`.
    """
    config = config or AudioConfig()
    coefficients = speech.mfcc(samples, rate, config)
    parts = [coefficients, *_changes(coefficients, config.deltas)]
    times = speech.frame_times(len(coefficients), config).astype(np.float32)
    energy = None
    if config.prosody or config.trim:
        whole = np.pad(np.asarray(samples, dtype=np.float64), (0, max(0, config.frame - len(samples))))
        _, rest = prosody.contours(whole, rate, config.frame, config.hop)
        energy = rest[:, prosody.NAMES.index("log energy")]
        parts += [rest] if config.prosody else []
    found = np.concatenate(parts, axis=1).astype(np.float32)
    kept = loud(energy, config.trim) if config.trim else slice(None)
    return np.ascontiguousarray(found[kept]), times[kept]


def loud(energy, decibels):
    """From the first to the last frame that is at most so many dB softer than the loudest: slice.

    Args:
        energy: (T,), natural logarithm of each frame's energy.
        decibels: below the loudest.
    """
    loudness = energy * 10 / np.log(10)
    frames = np.flatnonzero(loudness >= loudness.max() - decibels)
    return slice(max(0, frames[0] - AROUND), frames[-1] + 1 + AROUND)


def columns(config):
    """Where everything stands: {"mfcc", "delta", "delta delta", "prosody": slice}, those that are there."""
    names = ["mfcc", "delta", "delta delta"][: 1 + config.deltas]
    places = {name: slice(n * config.n_mfcc, (n + 1) * config.n_mfcc) for n, name in enumerate(names)}
    if config.prosody:
        start = len(names) * config.n_mfcc
        places["prosody"] = slice(start, start + len(prosody.NAMES))
    return places


def width(config):
    """Numbers a frame."""
    return max(part.stop for part in columns(config).values())


def _changes(coefficients, order):
    """The first `order` derivatives over nine frames (Furui 1986)."""
    import librosa

    return [librosa.feature.delta(coefficients, width=9, order=n, axis=0, mode="nearest") for n in range(1, order + 1)]
