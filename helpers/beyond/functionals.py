"""A clip's sound as one row of numbers: how its spectrum, pitch and loudness are distributed and how they move.

What ComParE and eGeMAPS do for the field (Schuller et al. 2013, Eyben et al. 2016), from few contours: 64 log mel
bands, 30 cepstral coefficients, pitch, voicing, energy, spectral centroid, flatness and flux.
"""

import numpy as np

from helpers import runtime
from helpers.audio import descriptors, speech
from helpers.config import AudioConfig

RATE, FRAME, HOP = 24_000, 1536, 480  # Hz, and samples: frames of 64 ms every 20 ms
CEPSTRA = 30
PAUSE = 38.0  # dB below the loudest frame: what lies under it at both ends is cut off
PERCENTILES = (5, 25, 50, 75, 95)
SPEEDS = (0.9, 1.0, 1.1)  # a slower, lower and larger speaker, the clip itself, a faster, higher and smaller one


def read(path, speed=1.0):
    """A clip's functionals.

    Args:
        path: as in `speech.load`.
        speed: how fast it is played, as a tape would be: pitch and formants move with the tempo (Ko et al. 2015).

    Returns:
        float32 (1732,).

    Raises:
        ClipError: as `speech.load`.
    """
    import librosa

    samples, rate = speech.load(path, AudioConfig(rate=RATE))
    if speed != 1:
        samples = librosa.resample(samples, orig_sr=round(rate * speed), target_sr=rate)
    return functionals(samples, rate)


def functionals(samples, rate=RATE):
    """Statistics of a sound's contours, over all frames and over the voiced ones alone.

    Args:
        samples: float (n,), mono.
        rate: RATE.

    Returns:
        float32 (1732,).
    """
    from scipy.fft import dct

    if rate != RATE:
        raise ValueError(f"the sound has {rate} Hz; these contours want {RATE}")
    mel, rest = descriptors.low_level_descriptors(np.pad(samples, FRAME // 2), rate, FRAME, HOP)
    kept = descriptors.trim_silence(rest[:, descriptors.PROSODY.index("log energy")], PAUSE)
    whole, mel, rest = len(mel), mel[kept], rest[kept]
    cepstra = dct(mel, axis=1, norm="ortho")[:, :CEPSTRA]
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


def table(paths, workers=None, progress=True, speeds=None):
    """Functionals of many clips, side by side.

    Args:
        paths: of the clips.
        workers: processes; by default one a core.
        progress: whether to show a progress bar.
        speeds: versions of each clip to make, such as SPEEDS; None for the clip as it is.

    Returns:
        float32 (N, 1732), in the paths' order; (N, V, 1732) where there are V speeds.

    Raises:
        ClipError: a clip cannot be used; names it.
    """
    import joblib
    from tqdm.auto import tqdm

    parallel = joblib.Parallel(n_jobs=workers or runtime.workers(), return_as="generator")
    wanted = [(path, speed) for path in paths for speed in speeds or (1.0,)]
    found = parallel(joblib.delayed(read)(*each) for each in wanted)
    rows = np.stack(list(tqdm(found, total=len(wanted), desc="functionals", unit="clip", disable=not progress)))
    return rows.reshape(len(paths), len(speeds), -1) if speeds else rows
