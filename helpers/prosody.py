"""What of a voice is no vowel: pitch, voicing, loudness, and where its spectrum lies, frame by frame."""

import numpy as np

from helpers import speech

BANDS, LOWEST, HIGHEST = 64, 60.0, 9500.0  # of the mel bank, Hz
PITCH = (70, 600)  # Hz
NAMES = ("log pitch", "periodicity", "log energy", "log centroid", "flatness", "flux")
BLOCK = 256  # frames at a time: a long sound's spectra together would be a hundred times as large as the sound


def contours(samples, rate, frame, hop):
    """What changes from frame to frame; frames lie wholly inside the sound.

    Args:
        samples: float (n,), mono, n at least one frame.
        rate: Hz.
        frame, hop: samples.

    Returns:
        (mel, rest): (T, 64) logarithms of the mel bands' energies; (T, 6), in the order of NAMES: the logarithm of the
        pitch in Hz, how periodic the frame is (0 to 1), the logarithms of its energy and of its spectral centroid in
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
