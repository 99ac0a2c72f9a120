"""Audio features of a clip: MFCC and, where configured, their deltas, low-level descriptors and silence trimming."""

import itertools

import numpy as np

from helpers.audio import speech
from helpers.config import AudioConfig

AROUND = 3  # frames of the trimmed silence that stay at each end
BANDS, LOWEST, HIGHEST = 64, 60.0, 9500.0  # of the descriptors' mel bank, Hz
PITCH = (70, 600)  # Hz
PROSODY = ("log pitch", "periodicity", "log energy", "log centroid", "flatness", "flux")
BLOCK = 256  # frames at a time: a long sound's spectra together would be a hundred times as large as the sound


def features(samples, rate, config=None):
    """Computes what the audio networks take, the thesis' 13 MFCC by default; arguments and errors as of `speech.mfcc`.

    Returns: (features, times): float32 (T, width(config)), as `columns` says; float32 (T,), each frame's middle in s.
    """
    import librosa

    config = config or AudioConfig()
    mfcc = speech.mfcc(samples, rate, config)
    options = {"width": 9, "axis": 0, "mode": "nearest"}  # regression over nine frames (Furui 1986)
    parts = [mfcc, *(librosa.feature.delta(mfcc, order=n, **options) for n in range(1, config.deltas + 1))]
    times, kept = speech.frame_times(len(mfcc), config).astype(np.float32), slice(None)
    if config.prosody or config.trim_db:
        padded = np.pad(np.asarray(samples, dtype=np.float64), (0, max(0, config.n_fft - len(samples))))
        _, prosody = low_level_descriptors(padded, rate, config.n_fft, config.hop_length)
        parts += [prosody] if config.prosody else []
        if config.trim_db:
            kept = trim_silence(prosody[:, PROSODY.index("log energy")], config.trim_db)
    return np.ascontiguousarray(np.concatenate(parts, axis=1)[kept], dtype=np.float32), times[kept]


def trim_silence(energy, decibels):
    """The slice from first to last frame at most so many decibels softer than the loudest; energy (T,), natural log."""
    loudness = energy * 10 / np.log(10)
    frames = np.flatnonzero(loudness >= loudness.max() - decibels)
    return slice(max(0, frames[0] - AROUND), frames[-1] + 1 + AROUND)


def columns(config):
    """Which columns hold what: {"mfcc", "delta", "delta delta", "prosody": slice}, those that are configured."""
    sizes = dict.fromkeys(["mfcc", "delta", "delta delta"][: 1 + config.deltas], config.n_mfcc)
    sizes |= {"prosody": len(PROSODY)} if config.prosody else {}
    return {name: slice(end - sizes[name], end) for name, end in zip(sizes, itertools.accumulate(sizes.values()))}


def width(config):
    """Number of columns."""
    return max(part.stop for part in columns(config).values())


def low_level_descriptors(samples, rate, n_fft, hop_length):
    """Computes mel bands and prosody of mono samples (n,), n at least n_fft, in frames that lie wholly inside.

    Returns:
        (mel, prosody): (T, 64) log energies of the mel bands; (T, 6), in the order of PROSODY: log pitch in Hz,
        periodicity from 0 to 1, log energy, log spectral centroid in Hz, spectral flatness, and spectral flux: how much
        the mel bands changed since the frame before.
    """
    import librosa

    frames = librosa.util.frame(samples, frame_length=n_fft, hop_length=hop_length).T
    blocks = [_block(frames[at : at + BLOCK], rate) for at in range(0, len(frames), BLOCK)]
    mel, prosody = (np.concatenate(parts) for parts in zip(*blocks))
    flux = np.abs(np.diff(mel, axis=0, prepend=mel[:1])).mean(axis=1)
    return mel, np.column_stack([prosody, flux])


def _block(frames, rate):
    """`low_level_descriptors` of some frames (n, n_fft), without the flux."""
    n_fft = frames.shape[1]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * np.hamming(n_fft)
    power = np.abs(np.fft.rfft(frames)) ** 2  # (T, F)
    frequency = np.fft.rfftfreq(n_fft, 1 / rate)
    bank = speech.mel_bank(rate, n_fft, BANDS, fmin=LOWEST, fmax=min(HIGHEST, rate / 2), norm=None)
    mel = np.log((bank @ power.T).T + 1e-6)
    pitch, periodicity = _pitch(frames, rate)
    energy = np.log((frames**2).mean(axis=1) + 1e-9)
    centroid = np.log((power * frequency).sum(axis=1) / (power.sum(axis=1) + 1e-9) + 50)
    speech_bins = power[:, round(60 * n_fft / rate) : round(10_000 * n_fft / rate)]
    flatness = np.log(speech_bins + 1e-9).mean(axis=1) - np.log(speech_bins.mean(axis=1) + 1e-9)
    return mel, np.stack([np.log(pitch), periodicity, energy, centroid, flatness], axis=1)


def _pitch(frames, rate):
    """(Hz, periodicity) of each frame, by the autocorrelation divided by the window's (Boersma 1993)."""
    size = frames.shape[1]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hamming(size), 2 * size)) ** 2)[:size]
    power = np.abs(np.fft.rfft(frames, 2 * size)) ** 2
    power *= np.fft.rfftfreq(2 * size, 1 / rate) < 2500
    correlation = np.fft.irfft(power)[:, :size]
    correlation = correlation / (correlation[:, :1] + 1e-9) / (window / window[0])
    first, last = rate // PITCH[1], min(rate // PITCH[0], size - 1)
    # An octave lower fits as well: the shorter lag is preferred a little.
    preferred = correlation[:, first:last] - 0.01 * np.log2(np.arange(first, last) / first)
    lag = preferred.argmax(axis=1) + first
    return rate / lag, np.clip(correlation[np.arange(len(lag)), lag], 0, 1)
