"""A clip's sound as one row of numbers: how its spectrum, pitch and loudness are distributed and how they move.

What ComParE and eGeMAPS do for the field (Schuller et al. 2013, Eyben et al. 2016), from few contours: 64 log mel
bands, 30 cepstral coefficients, pitch, voicing, energy, spectral centroid, flatness and flux.
"""

import functools

import numpy as np

from helpers import runtime, speech
from helpers.config import AudioConfig

RATE, FRAME, HOP = 24_000, 1536, 480  # Hz, and samples: frames of 64 ms every 20 ms
BANDS, LOWEST, HIGHEST, CEPSTRA = 64, 60.0, 9500.0, 30
PITCH = (70, 600)  # Hz
PAUSE = 38.0  # dB below the loudest frame: what lies under it at both ends is cut off
PERCENTILES = (5, 25, 50, 75, 95)


def read(path):
    """A clip's functionals.

    Args:
        path: as in `speech.load`.

    Returns:
        float32 (1732,).

    Raises:
        ClipError: as `speech.load`.
    """
    return functionals(*speech.load(path, AudioConfig(rate=RATE)))


def functionals(samples, rate=RATE):
    """Statistics of a sound's contours, over all frames and over the voiced ones alone.

    Args:
        samples: float (n,), mono.
        rate: RATE.

    Returns:
        float32 (1732,).
    """
    if rate != RATE:
        raise ValueError(f"the sound has {rate} Hz; these contours want {RATE}")
    mel, rest = contours(samples)
    loudness = rest[:, 2] * 10 / np.log(10)
    loud = np.flatnonzero(loudness > loudness.max() - PAUSE)
    kept = slice(max(0, loud[0] - 3), loud[-1] + 4)
    whole, mel, rest = len(mel), mel[kept], rest[kept]
    cepstra = _dct(mel)[:, :CEPSTRA]
    voiced = rest[:, 1] > 0.5
    spoken = voiced if voiced.sum() > 5 else np.ones(len(rest), dtype=bool)
    parts = [
        statistics(np.concatenate([cepstra, rest], axis=1)),
        statistics(mel),
        statistics(rest[spoken, :3]),
        statistics(cepstra[spoken]),
        np.array([len(rest), whole, voiced.mean()]),
    ]
    return np.concatenate(parts).astype(np.float32)


def statistics(contours):
    """(T, D) to (14·D,): mean, spread, percentiles, slope, place of the maximum, and the same of the changes."""
    times, change = np.linspace(-1, 1, len(contours))[:, None], np.diff(contours, axis=0)
    change = change if len(change) else np.zeros((1, contours.shape[1]))
    rows = [contours.mean(0), contours.std(0), *np.percentile(contours, PERCENTILES, axis=0)]
    rows += [(contours * times).mean(0), contours.argmax(0) / len(contours)]
    rows += [change.std(0), np.abs(change).mean(0), *np.percentile(change, (5, 95), axis=0)]
    return np.concatenate(rows)


def contours(samples):
    """What changes from frame to frame.

    Args:
        samples: float (n,), mono, at RATE.

    Returns:
        (mel, rest): (T, 64) logarithms of the mel bands' energies; (T, 6) the logarithm of the pitch in Hz, how
        periodic the frame is (0 to 1), the logarithms of its energy and of its spectral centroid in Hz, its spectral
        flatness, and how much the mel bands changed since the frame before.
    """
    import librosa

    frames = librosa.util.frame(np.pad(samples, FRAME // 2), frame_length=FRAME, hop_length=HOP).T
    frames = (frames - frames.mean(axis=1, keepdims=True)) * np.hamming(FRAME)
    power = np.abs(np.fft.rfft(frames)) ** 2  # (T, F)
    frequency = np.fft.rfftfreq(FRAME, 1 / RATE)
    mel = np.log(power @ _bank() + 1e-6)
    pitch, periodic = _pitch(frames)
    energy = np.log((frames**2).mean(axis=1) + 1e-9)
    centroid = np.log((power * frequency).sum(axis=1) / (power.sum(axis=1) + 1e-9) + 50)
    speech_bins = power[:, 4:640]  # 60 Hz to 10 kHz
    flatness = np.log(speech_bins + 1e-9).mean(axis=1) - np.log(speech_bins.mean(axis=1) + 1e-9)
    flux = np.abs(np.diff(mel, axis=0, prepend=mel[:1])).mean(axis=1)
    return mel, np.stack([np.log(pitch), periodic, energy, centroid, flatness, flux], axis=1)


@functools.lru_cache
def _bank():
    import librosa

    options = {"n_mels": BANDS, "fmin": LOWEST, "fmax": HIGHEST, "htk": True, "norm": None}
    return librosa.filters.mel(sr=RATE, n_fft=FRAME, **options).T  # (F, 64)


def _pitch(frames):
    """(Hz, periodicity) of each frame, by the autocorrelation divided by the window's (Boersma 1993)."""
    window = np.hamming(FRAME)
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * FRAME)) ** 2)[:FRAME]
    power = np.abs(np.fft.rfft(frames, 2 * FRAME)) ** 2
    power *= np.fft.rfftfreq(2 * FRAME, 1 / RATE) < 2500
    correlation = np.fft.irfft(power)[:, :FRAME]
    correlation = correlation / (correlation[:, :1] + 1e-9) / (of_window / of_window[0])
    first, last = RATE // PITCH[1], RATE // PITCH[0]
    # An octave lower fits as well: the shorter lag is preferred a little.
    preferred = correlation[:, first:last] - 0.01 * np.log2(np.arange(first, last) / first)
    lag = preferred.argmax(axis=1) + first
    return RATE / lag, np.clip(correlation[np.arange(len(lag)), lag], 0, 1)


def _dct(mel):
    from scipy.fft import dct

    return dct(mel, axis=1, norm="ortho")


def table(paths, workers=None, progress=True):
    """Functionals of many clips, side by side.

    Args:
        paths: of the clips.
        workers: processes; by default one a core.
        progress: whether to show a progress bar.

    Returns:
        float32 (N, 1732), in the paths' order.

    Raises:
        ClipError: a clip cannot be used; names it.
    """
    import joblib
    from tqdm.auto import tqdm

    parallel = joblib.Parallel(n_jobs=workers or runtime.workers(), return_as="generator")
    found = parallel(joblib.delayed(read)(path) for path in paths)
    return np.stack(list(tqdm(found, total=len(paths), desc="functionals", unit="clip", disable=not progress)))
