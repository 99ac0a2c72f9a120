"""On-the-fly augmentation of the training's audio features: VTLP, noise, channel, SpecAugment, time shift; and mixup.

VTLP, noise and channel work on the cepstra, which are approximately an orthonormal transform of the log mel bands (a
projection, where n_mfcc < n_mels): what moves or lifts bands is a matrix or a sum.
"""

import functools

import numpy as np

from helpers.audio import descriptors
from helpers.config import AudioConfig

CURVES, TIME_MASKS = 4, 2  # slow cosines along the mel axis in a channel's frequency response; masks a clip
FLOOR = (26.0, 52.0)  # dB below the clip's loudest band
_WARPS = 13  # vocal tract lengths to draw from
_ON_BANDS, _ON_FRAMES = ("vtlp", "channel_augmentation", "noise_augmentation"), ("time_mask_width", "time_shift")


class Augmentation:
    """Augments audio features as a TrainConfig says; `audio` is the AudioConfig that they were made with.

    Raises ValueError: VTLP, noise or channel augmentation is asked for and `audio` is None.
    """

    def __init__(self, train, audio=None):
        self.train, self.audio = train, audio
        active = [name for name in _ON_BANDS if getattr(train, name)]
        if active and audio is None:
            told = "these features do not say how they were made: use those of features.build, or leave it at 0"
            raise ValueError(f"{active[0]} changes the cepstra's bands, and {told}")

    @classmethod
    def of(cls, features, train):
        """That of a FeatureSet; None where TrainConfig asks for no augmentation of audio."""
        if not any(getattr(train, name) for name in _ON_BANDS + _ON_FRAMES):
            return None
        settings = (features.preprocessing or {}).get("audio")
        return cls(train, AudioConfig(**settings) if settings else None)

    def apply(self, values, length, random):
        """Augments a batch: values float32 (B, T, F), right-padded with zeros, length int (B,); returns new values."""
        values, real = values.copy(), np.arange(values.shape[1])[None] < length[:, None]  # (B, T)
        if self.audio:
            places = descriptors.columns(self.audio)
            if self.train.vtlp:
                self._perturb_vocal_tract(values, places, random)
            if self.train.noise_augmentation:
                self._add_noise(values, places, real, random)
            if self.train.channel_augmentation:
                self._change_channel(values, places, random)
        values[~real] = 0
        if self.train.time_shift:
            self._shift_time(values, length, random)
        if self.train.time_mask_width:
            self._mask_time(values, length, random)
        return values

    def once(self, values, seed=0):
        """Augments one clip (T, F), to look at."""
        return self.apply(values[None], np.array([len(values)]), np.random.default_rng(seed))[0]

    def _perturb_vocal_tract(self, values, places, random):
        """VTLP: one factor a clip for the formants, and the pitch with them."""
        matrices, factors = vtlp_matrices(self.audio.rate, self.audio.n_mels, self.audio.n_mfcc, self.train.vtlp)
        drawn = random.integers(0, len(factors), len(values))
        for name, place in places.items():
            if name == "prosody":
                values[:, :, place.start] += np.log(factors[drawn], dtype=np.float32)[:, None]  # the pitch
            else:
                values[:, :, place] = values[:, :, place] @ matrices[drawn].transpose(0, 2, 1)

    def _add_noise(self, values, places, real, random):
        """Noise augmentation: no band of a clip lies below a floor that slopes over the mel axis."""
        basis = cosines(self.audio.n_mels, self.audio.n_mfcc)  # (n_mfcc, n_mels)
        rows = np.flatnonzero(random.random(len(values)) < self.train.noise_augmentation)
        below, tilt = random.uniform(*FLOOR, len(rows)), random.uniform(-10, 2, len(rows))
        for row, depth, slope in zip(rows, below, tilt):
            bands = values[row][real[row]][:, places["mfcc"]] @ basis  # (T, n_mels), dB
            floor = bands.max() - depth + slope * np.linspace(-1, 1, bands.shape[1])
            values[row, : len(bands), places["mfcc"]] += np.maximum(floor - bands, 0) @ basis.T

    def _change_channel(self, values, places, random):
        """Channel augmentation: one gain and one smooth frequency response a clip, added to the cepstra."""
        rows, config = len(values), self.audio
        gain = random.normal(0, self.train.channel_augmentation, rows)  # dB
        count = min(CURVES, config.n_mfcc - 1)
        curves = random.normal(0, self.train.channel_augmentation / 2, (rows, count)) / np.sqrt(np.arange(1, count + 1))
        start = places["mfcc"].start
        values[:, :, start] += (gain * np.sqrt(config.n_mels))[:, None].astype(np.float32)
        values[:, :, start + 1 : start + 1 + count] += (curves * np.sqrt(config.n_mels / 2))[:, None]
        if "prosody" in places:
            energy = places["prosody"].start + descriptors.PROSODY.index("log energy")
            values[:, :, energy] += (gain * np.log(10) / 10)[:, None].astype(np.float32)

    def _shift_time(self, values, length, random):
        shifts = random.integers(-self.train.time_shift, self.train.time_shift + 1, len(values))
        for row, n, shift in zip(values, length, shifts):
            row[:n] = row[np.clip(np.arange(n) - shift, 0, n - 1)]

    def _mask_time(self, values, length, random):
        """SpecAugment time masking (Park et al. 2019), with the clip's mean as the mask."""
        mean = values.sum(axis=1) / np.maximum(length, 1)[:, None]
        for row, n in enumerate(length):
            for _ in range(TIME_MASKS):
                width = min(random.integers(0, self.train.time_mask_width + 1), n - 1)
                first = random.integers(0, n - width + 1)
                values[row, first : first + width] = mean[row]


@functools.lru_cache
def cosines(n_mels, n_mfcc):
    """The orthonormal DCT's first rows (2.27): float32 (n_mfcc, n_mels); cepstra = rows @ bands."""
    from scipy.fft import dct

    return dct(np.eye(n_mels), axis=0, norm="ortho")[:n_mfcc].astype(np.float32)


@functools.lru_cache
def vtlp_matrices(rate, n_mels, n_mfcc, strongest):
    """Matrices that scale all formants by one factor: vocal tract length perturbation (Jaitly & Hinton 2013).

    The factors reach from 1 / (1 + strongest) to 1 + strongest.
    Returns: (matrices, factors): float32 (W, n_mfcc, n_mfcc), cepstra' ≈ matrix @ cepstra; float64 (W,).
    """
    basis = cosines(n_mels, n_mfcc)
    top = 2595 * np.log10(1 + rate / 2 / 700)  # (2.26)
    centres = np.linspace(0, top, n_mels + 2)[1:-1]  # mel
    hz = 700 * (10 ** (centres / 2595) - 1)
    factors = np.exp(np.linspace(-1, 1, _WARPS) * np.log1p(strongest))
    source = 2595 * np.log10(1 + hz / factors[:, None] / 700)  # (W, n_mels), where each band's energy comes from, mel
    at = np.interp(source, centres, np.arange(n_mels))
    moved = np.maximum(0, 1 - np.abs(at[:, :, None] - np.arange(n_mels)))  # (W, n_mels, n_mels), interpolates linearly
    return (basis @ moved @ basis.T).astype(np.float32), factors


def mixup(inputs, label, alpha, random):
    """Mixes each clip and its label with another's (mixup, Zhang et al. 2018), the larger share being its own.

    A mixed clip is as long as the longer of the two; the shorter is padded with its mean frame. Inputs {modality:
    (B, T, D), "<modality>_length": (B,)} and label float (B, C) are returned alike; shares are of Beta(alpha, alpha).
    """
    other = random.permutation(len(label))
    share = random.beta(alpha, alpha, len(label))
    share = np.maximum(share, 1 - share).astype(np.float32)
    mixed = {}
    for stream in [name for name in inputs if f"{name}_length" in inputs]:
        values, length = inputs[stream], inputs[f"{stream}_length"]
        real = (np.arange(values.shape[1]) < length[:, None])[:, :, None]
        mean = (values * real).sum(axis=1, keepdims=True) / real.sum(axis=1, keepdims=True)
        values = np.where(real, values, mean)
        values = share[:, None, None] * values + (1 - share)[:, None, None] * values[other]
        mixed[f"{stream}_length"] = length = np.maximum(length, length[other])
        mixed[stream] = values * (np.arange(values.shape[1]) < length[:, None])[:, :, None]
    return mixed, share[:, None] * label + (1 - share)[:, None] * label[other]
