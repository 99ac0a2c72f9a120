"""Functionals: statistics of a clip's low-level descriptors, one row a clip.

After ComParE and eGeMAPS (Schuller et al. 2013, Eyben et al. 2016), of few descriptors: 64 log mel bands, 30 cepstral
coefficients, pitch, voicing, energy, spectral centroid, flatness and flux.
"""

import joblib
import numpy as np
from scipy.fft import dct
from tqdm.auto import tqdm

from helpers import runtime
from helpers.audio import descriptors, speech
from helpers.config import AudioConfig

RATE, FRAME, HOP = 24_000, 1536, 480  # Hz, and samples: frames of 64 ms every 20 ms
CEPSTRA = 30
TRIM_DB = 38.0  # below the loudest frame: softer frames at both ends are trimmed
PERCENTILES = (5, 25, 50, 75, 95)
SPEEDS = (0.9, 1.0, 1.1)  # speed perturbation


def read(path, speed=1.0):
    """Computes a clip's functionals: float32 (1732,).

    `speed` is the playback speed, which moves pitch and formants with the tempo (Ko et al. 2015).

    Raises ClipError: as `audio.load`.
    """
    import librosa

    samples, rate = speech.load(path, AudioConfig(rate=RATE))
    if speed != 1:
        samples = librosa.resample(samples, orig_sr=round(rate * speed), target_sr=rate)
    return functionals(samples, rate)


def functionals(samples, rate=RATE):
    """Functionals of mono samples (n,) at RATE Hz, over all frames and over the voiced ones alone: float32 (1732,)."""
    if rate != RATE:
        raise ValueError(f"the sound has {rate} Hz; functionals need {RATE}")
    mel, rest = descriptors.low_level_descriptors(np.pad(samples, FRAME // 2), rate, FRAME, HOP)
    kept = descriptors.trim_silence(rest[:, descriptors.PROSODY.index("log energy")], TRIM_DB)
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


def statistics(series):
    """(T, D) to (14·D,): mean, standard deviation, percentiles, slope, place of the maximum; and of the differences."""
    times, change = np.linspace(-1, 1, len(series))[:, None], np.diff(series, axis=0)
    change = change if len(change) else np.zeros((1, series.shape[1]))
    rows = [series.mean(0), series.std(0), *np.percentile(series, PERCENTILES, axis=0)]
    rows += [(series * times).mean(0), series.argmax(0) / len(series)]
    rows += [change.std(0), np.abs(change).mean(0), *np.percentile(change, (5, 95), axis=0)]
    return np.concatenate(rows)


def table(paths, speeds=None):
    """Functionals of many clips, in parallel; `speeds` are versions of each clip, such as SPEEDS.

    Returns: float32 (N, 1732), in the paths' order; (N, V, 1732) with V speeds.
    Raises ClipError: a clip cannot be used; names it.
    """
    parallel = joblib.Parallel(n_jobs=runtime.workers(), return_as="generator")
    jobs = [joblib.delayed(read)(path, speed) for path in paths for speed in speeds or (1.0,)]
    rows = np.stack(list(tqdm(parallel(jobs), total=len(jobs), desc="functionals", unit="clip")))
    return rows.reshape(len(paths), len(speeds), -1) if speeds else rows
