"""A clip's sound: out of any file, to mono, to 13 MFCC a frame (thesis 2.5, 3.4.3)."""

import functools
import pathlib

import numpy as np

from helpers.config import AudioConfig
from helpers.data.exclusions import ClipError, Unreadable
from helpers.video import decoding

SILENCE = 1e-4  # peak amplitude (−80 dBFS) below which a clip is silent


def load(path, config=None, sound=None):
    """Reads a clip's sound as mono at the configured rate.

    Args:
        path: anything PyAV opens, such as .wav, .flac or .mp4: of 4 to 384 kHz, up to 16 channels.
        config, sound: AudioConfig; decoding.Sound, where it was gathered already while the pictures were decoded.
    Returns: (samples, rate): float32 (n,) in [−1, 1], and the rate in Hz.
    Raises ClipError: not readable, no sound stream, cut short, shorter than `min_seconds`, or digital silence.
    """
    config, path = config or AudioConfig(), pathlib.Path(path)
    samples, rate = _decode(path, sound)
    if not np.isfinite(samples).all():
        raise ClipError(f"{path.name}: the sound holds values that are not numbers; export it again")
    if len(samples) < config.min_seconds * rate:
        raise ClipError(f"{path.name}: {len(samples) / rate:.2f} s of sound; at least {config.min_seconds} s needed")
    if np.abs(samples).max() < SILENCE:
        raise ClipError(f"{path.name}: digital silence")
    if rate != config.rate:
        import librosa

        samples = librosa.resample(samples, orig_sr=rate, target_sr=config.rate, res_type="soxr_hq")
    return np.ascontiguousarray(samples, dtype=np.float32), config.rate


def _decode(path, sound):
    if sound is None or sound.rate is None:
        sound = decoding.Sound()
        list(decoding.decode(path, pictures=False, sound=sound))  # yields nothing, but fills the sound
    if sound.refused:
        raise ClipError(f"{path.name}: {sound.refused}")
    samples = sound.samples()
    if not len(samples):
        raise ClipError(f"{path.name}: its sound stream is empty")
    seconds = len(samples) / sound.rate
    if sound.promised and seconds < 0.9 * sound.promised:
        raise Unreadable(f"{path.name}: cut short, {seconds:.2f} s of {sound.promised:.2f} s of sound are there")
    return samples, sound.rate


def mfcc(samples, rate, config=None):
    """Mel frequency cepstral coefficients: pre-emphasis, frames, Hamming, FFT, HTK mel bank, log, DCT (2.24–2.27).

    Args:
        samples, rate: float (n,), mono, padded with zeros to one frame where shorter; in Hz, the configured one.
        config: AudioConfig: 13 coefficients, frames of 4096 samples every 2048, wholly inside the sound.
    Returns: float32 (T, n_mfcc), T = 1 + (n − n_fft) // hop_length.
    Raises ValueError: the rate is not the configured one, or the samples are not one-dimensional.
    """
    import librosa

    config = config or AudioConfig()
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1:
        raise ValueError(f"samples have shape {samples.shape}; mono sound (n,) is needed: average the channels first")
    if rate != config.rate:
        raise ValueError(f"samples at {rate} Hz, configured for {config.rate} Hz: use audio.load, which resamples")
    emphasised = np.append(samples[:1], samples[1:] - config.pre_emphasis * samples[:-1])  # (2.24)
    emphasised = np.pad(emphasised, (0, max(0, config.n_fft - len(emphasised))))
    frames = {"n_fft": config.n_fft, "hop_length": config.hop_length, "window": "hamming", "center": False}  # (2.25)
    power = np.abs(librosa.stft(emphasised, **frames)) ** 2  # (F, T)
    mel = mel_bank(rate, config.n_fft, config.n_mels) @ power  # (2.26)
    logs = librosa.power_to_db(mel)
    coefficients = librosa.feature.mfcc(S=logs, n_mfcc=config.n_mfcc, dct_type=2, norm="ortho")  # (2.27)
    return np.ascontiguousarray(coefficients.T, dtype=np.float32)


@functools.lru_cache
def mel_bank(rate, n_fft, n_mels, **options):
    """HTK's mel bank, to be multiplied with power spectra (F, T): scipy.sparse.csr_array (n_mels, F).

    Sparse, since BLAS' sums differ in their last bits with the number of threads, and features must not.
    """
    import librosa
    import scipy.sparse

    return scipy.sparse.csr_array(librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, htk=True, **options))


def frame_times(n_frames, config=None):
    """Middle of each MFCC frame in seconds: float (n_frames,)."""
    config = config or AudioConfig()
    return (np.arange(n_frames) * config.hop_length + config.n_fft / 2) / config.rate
