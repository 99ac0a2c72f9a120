"""One row of numbers a clip: statistics of what pretrained encoders compute of it, or functionals without them."""

import numpy as np
import threadpoolctl

from helpers.audio import functionals, speaker_encoder, speech, speech_encoder
from helpers.data import packaged_weights
from helpers.data.exclusions import ClipError

# What a row is made of, the best first; a front can be used where its packages are installed.
FRONTS = {"encoders": ("speech", "speaker"), "speaker": ("speaker", "functionals"), "functionals": ("functionals",)}
_MODULES = {"speech": speech_encoder, "speaker": speaker_encoder, "functionals": functionals}
WIDTHS = {"speech": 6 * speech_encoder.DIM, "speaker": 6 * speaker_encoder.DIM, "functionals": 1732}  # columns of a row
TRIM_DB, AROUND = 38.0, 0.15  # silence trimming: dB below the loudest frame; s of silence that stay at each end
LEVEL = -25.0  # dBFS of what is left: a voice's level depends on its distance from the microphone
FRAME, HOP = 1024, 320  # samples, of the frames whose level is measured
PERCENTILES = (10, 50, 90)


def available():
    """(front, reason): the best front whose packages are installed; which package a better one lacks, or ""."""
    reason = ""
    for front, parts in FRONTS.items():
        try:
            for part in set(parts) - {"functionals"}:
                _MODULES[part].weights()
            return front, reason
        except packaged_weights.PackageMissing as missing:
            reason = reason or str(missing)


@threadpoolctl.threadpool_limits.wrap(limits=1, user_api="blas")  # more threads mostly wait
def row(samples, rate, front="encoders"):
    """Computes the row of a clip, or of a window of one: the encoders must not hear what stands around it.

    Args:
        samples, rate: float (n,), mono; in Hz, any.
        front: one of FRONTS.
    Returns: float32 (D,), D being 13824, 6340 or 1732.
    Raises ClipError, PackageMissing: digital silence; a package that the front needs is not installed.
    """
    import soxr

    if np.abs(samples).max(initial=0) < speech.SILENCE:
        raise ClipError("digital silence")
    parts = []
    for module in map(_MODULES.get, FRONTS[front]):
        sound = soxr.resample(samples, rate, module.RATE)
        own = module is functionals
        parts.append(functionals.functionals(sound) if own else statistics(module.steps(normalise(sound, module.RATE))))
    return np.concatenate(parts).astype(np.float32)


def normalise(samples, rate):
    """Trims the silence at both ends, and brings the rest to LEVEL: float32 (m,)."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, FRAME // 2), FRAME)[::HOP]
    level, around = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10), round(AROUND * rate)
    loud = np.flatnonzero(level > level.max() - TRIM_DB) * HOP
    kept = samples[max(0, loud[0] - around) : loud[-1] + HOP + around]
    return (kept * (10 ** (LEVEL / 20) / np.sqrt(np.mean(np.square(kept, dtype=float))))).astype(np.float32)


def statistics(steps):
    """(T, D) to (6·D,): mean, standard deviation, three percentiles, standard deviation of the differences."""
    change = np.diff(steps, axis=0) if len(steps) > 1 else np.zeros_like(steps)
    return np.concatenate([steps.mean(0), steps.std(0), *np.percentile(steps, PERCENTILES, axis=0), change.std(0)])
