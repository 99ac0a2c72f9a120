"""A sound as the networks take it: the thesis' MFCC, and if wanted how they change, prosody, no silence at the ends."""

import numpy as np

from helpers.audio import speech
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
    if config.prosody or config.trim_db:
        whole = np.pad(np.asarray(samples, dtype=np.float64), (0, max(0, config.n_fft - len(samples))))
        _, rest = contours(whole, rate, config.n_fft, config.hop_length)
        energy = rest[:, PROSODY.index("log energy")]
        parts += [rest] if config.prosody else []
    found = np.concatenate(parts, axis=1).astype(np.float32)
    kept = loud(energy, config.trim_db) if config.trim_db else slice(None)
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
        places["prosody"] = slice(start, start + len(PROSODY))
    return places


def width(config):
    """Numbers a frame."""
    return max(part.stop for part in columns(config).values())


def _changes(coefficients, order):
    """The first `order` derivatives over nine frames (Furui 1986)."""
    import librosa

    return [librosa.feature.delta(coefficients, width=9, order=n, axis=0, mode="nearest") for n in range(1, order + 1)]


BANDS, LOWEST, HIGHEST = 64, 60.0, 9500.0  # of the mel bank, Hz
PITCH = (70, 600)  # Hz
PROSODY = ("log pitch", "periodicity", "log energy", "log centroid", "flatness", "flux")
BLOCK = 256  # frames at a time: a long sound's spectra together would be a hundred times as large as the sound


def contours(samples, rate, frame, hop):
    """What changes from frame to frame; frames lie wholly inside the sound.

    Args:
        samples: float (n,), mono, n at least one frame.
        rate: Hz.
        frame, hop: samples.

    Returns:
        (mel, rest): (T, 64) logarithms of the mel bands' energies; (T, 6), in the order of PROSODY: the logarithm of
        the pitch in Hz, how periodic the frame is (0 to 1), the logarithms of its energy and of its spectral centroid in
        Hz, its spectral flatness, and how much the mel bands changed since the frame before.
    """
    import librosa

    frames = librosa.util.frame(samples, frame_length=frame, hop_length=hop).T
    blocks = [_block(frames[at : at + BLOCK], rate) for at in range(0, len(frames), BLOCK)]
    mel, rest = (np.concatenate(parts) for parts in zip(*blocks))
    flux = np.abs(np.diff(mel, axis=0, prepend=mel[:1])).mean(axis=1)
    return mel, np.column_stack([rest, flux])


def _block(frames, rate):
    """`contours` of some frames (n, frame), without the flux."""
    frame = frames.shape[1]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * np.hamming(frame)
    power = np.abs(np.fft.rfft(frames)) ** 2  # (T, F)
    frequency = np.fft.rfftfreq(frame, 1 / rate)
    bank = speech.mel_bank(rate, frame, BANDS, fmin=LOWEST, fmax=min(HIGHEST, rate / 2), norm=None)
    mel = np.log((bank @ power.T).T + 1e-6)
    pitch, periodic = _pitch(frames, rate)
    energy = np.log((frames**2).mean(axis=1) + 1e-9)
    centroid = np.log((power * frequency).sum(axis=1) / (power.sum(axis=1) + 1e-9) + 50)
    speech_bins = power[:, round(60 * frame / rate) : round(10_000 * frame / rate)]
    flatness = np.log(speech_bins + 1e-9).mean(axis=1) - np.log(speech_bins.mean(axis=1) + 1e-9)
    return mel, np.stack([np.log(pitch), periodic, energy, centroid, flatness], axis=1)


def _pitch(frames, rate):
    """(Hz, periodicity) of each frame, by the autocorrelation divided by the window's (Boersma 1993)."""
    size = frames.shape[1]
    window = np.hamming(size)
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * size)) ** 2)[:size]
    power = np.abs(np.fft.rfft(frames, 2 * size)) ** 2
    power *= np.fft.rfftfreq(2 * size, 1 / rate) < 2500
    correlation = np.fft.irfft(power)[:, :size]
    correlation = correlation / (correlation[:, :1] + 1e-9) / (of_window / of_window[0])
    first, last = rate // PITCH[1], min(rate // PITCH[0], size - 1)
    # An octave lower fits as well: the shorter lag is preferred a little.
    preferred = correlation[:, first:last] - 0.01 * np.log2(np.arange(first, last) / first)
    lag = preferred.argmax(axis=1) + first
    return rate / lag, np.clip(correlation[np.arange(len(lag)), lag], 0, 1)
