"""The training's voices, each epoch a little otherwise: who speaks, through which microphone, in which room.

All of it on the cepstra, since they are a rotation of the mel bands: what moves or lifts bands is a matrix or a sum.
"""

import functools

import numpy as np

from helpers.audio import descriptors
from helpers.config import AudioConfig

CURVES = 4  # slow cosines along the mel axis that the channel_augmentation is made of
TIME_MASKS = 2
FLOOR = (26.0, 52.0)  # dB below the clip's loudest band
_WARPS = 13  # warps that are drawn from, from the strongest downwards to the strongest upwards


class Augmentation:
    """Changes a batch of voices; see TrainConfig's fields of these names.

    Args:
        train: TrainConfig.
        audio: AudioConfig that the features were made with; needed for all but masks and shift.

    Raises:
        ValueError: the features' making is not known, or they hold no loudness to change.
    """

    def __init__(self, train, audio=None):
        self.train, self.audio = train, audio
        named = [name for name in ("vtlp", "channel_augmentation", "noise_augmentation") if getattr(train, name)]
        if named and audio is None:
            raise ValueError(
                f"{named[0]} changes the cepstra's bands, and these features do not say how they were made: use those "
                "of features.build, or leave it at 0"
            )

    @classmethod
    def of(cls, features, train):
        """That of a FeatureSet; None where TrainConfig changes no voice."""
        if not any(
            getattr(train, name)
            for name in ("vtlp", "channel_augmentation", "noise_augmentation", "time_mask_width", "time_shift")
        ):
            return None
        made = (features.preprocessing or {}).get("audio")
        return cls(train, AudioConfig(**made) if made else None)

    def apply(self, values, length, random):
        """Voices anew.

        Args:
            values: float32 (B, T, F), right-padded with zeros.
            length: int (B,).
            random: numpy Generator.

        Returns:
            float32 (B, T, F); the padding stays 0.
        """
        values, there = values.copy(), np.arange(values.shape[1])[None] < length[:, None]  # (B, T)
        if self.audio:
            places = descriptors.columns(self.audio)
            if self.train.vtlp:
                self._vtlp(values, places, random)
            if self.train.noise_augmentation:
                self._lay_under(values, places, there, random)
            if self.train.channel_augmentation:
                self._equalise(values, places, random)
        values[~there] = 0
        if self.train.time_shift:
            self._shift(values, length, random)
        if self.train.time_mask_width:
            self._mask(values, length, random)
        return values

    def once(self, values, seed=0):
        """One clip (T, F) changed once, to look at."""
        return self.apply(values[None], np.array([len(values)]), np.random.default_rng(seed))[0]

    def _vtlp(self, values, places, random):
        matrices, factors = vtlp_matrices(self.audio.rate, self.audio.n_mels, self.audio.n_mfcc, self.train.vtlp)
        which = random.integers(0, len(factors), len(values))
        for name, place in places.items():
            if name == "prosody":
                values[:, :, place.start] += np.log(factors[which], dtype=np.float32)[:, None]  # the pitch
            else:
                values[:, :, place] = values[:, :, place] @ matrices[which].transpose(0, 2, 1)

    def _lay_under(self, values, places, there, random):
        basis = cosines(self.audio.n_mels, self.audio.n_mfcc)  # (n_mfcc, n_mels)
        chosen = np.flatnonzero(random.random(len(values)) < self.train.noise_augmentation)
        below, tilt = random.uniform(*FLOOR, len(chosen)), random.uniform(-10, 2, len(chosen))
        for row, depth, slope in zip(chosen, below, tilt):
            bands = values[row][there[row]][:, places["mfcc"]] @ basis  # (T, n_mels), dB
            floor = bands.max() - depth + slope * np.linspace(-1, 1, bands.shape[1])
            values[row, : len(bands), places["mfcc"]] += np.maximum(floor - bands, 0) @ basis.T

    def _equalise(self, values, places, random):
        rows, config = len(values), self.audio
        gain = random.normal(0, self.train.channel_augmentation, rows)  # dB
        count = min(CURVES, config.n_mfcc - 1)
        curves = random.normal(0, self.train.channel_augmentation / 2, (rows, count)) / np.sqrt(np.arange(1, count + 1))
        start = places["mfcc"].start
        values[:, :, start] += (gain * np.sqrt(config.n_mels))[:, None].astype(np.float32)
        values[:, :, start + 1 : start + 1 + count] += (curves * np.sqrt(config.n_mels / 2))[:, None]
        if "prosody" in places:
            values[:, :, places["prosody"].start + 2] += (gain * np.log(10) / 10)[:, None].astype(np.float32)

    def _shift(self, values, length, random):
        by = random.integers(-self.train.time_shift, self.train.time_shift + 1, len(values))
        for row, steps, later in zip(values, length, by):
            row[:steps] = row[np.clip(np.arange(steps) - later, 0, steps - 1)]

    def _mask(self, values, length, random):
        mean = values.sum(axis=1) / np.maximum(length, 1)[:, None]  # blank is the clip's average, not a silence
        for row, steps in enumerate(length):
            for _ in range(TIME_MASKS):
                wide = min(random.integers(0, self.train.time_mask_width + 1), steps - 1)
                first = random.integers(0, steps - wide + 1)
                values[row, first : first + wide] = mean[row]


@functools.lru_cache
def cosines(n_mels, n_mfcc):
    """The orthonormal DCT's first rows (2.27): float32 (n_mfcc, n_mels); cepstra = rows @ bands."""
    from scipy.fft import dct

    return dct(np.eye(n_mels), axis=0, norm="ortho")[:n_mfcc].astype(np.float32)


@functools.lru_cache
def vtlp_matrices(rate, n_mels, n_mfcc, strongest):
    """Matrices that move all formants by one factor, as a shorter or longer vocal tract does (Jaitly & Hinton 2013).

    Args:
        rate: Hz; the mel bank reaches half of it.
        n_mels, n_mfcc: of the cepstra.
        strongest: 0.12 for factors from 1 / 1.12 to 1.12.

    Returns:
        (matrices, factors): float32 (W, n_mfcc, n_mfcc), cepstra' = matrix @ cepstra; float64 (W,).
    """
    basis = cosines(n_mels, n_mfcc)
    top = 2595 * np.log10(1 + rate / 2 / 700)  # (2.26)
    centres = np.linspace(0, top, n_mels + 2)[1:-1]  # mel
    hz = 700 * (10 ** (centres / 2595) - 1)
    factors = np.exp(np.linspace(-1, 1, _WARPS) * np.log1p(strongest))
    found = []
    for factor in factors:
        comes_from = 2595 * np.log10(1 + hz / factor / 700)  # mel
        at = np.clip(np.interp(comes_from, centres, np.arange(n_mels)), 0, n_mels - 1)
        below = np.minimum(at.astype(int), n_mels - 2)
        moved = np.zeros((n_mels, n_mels))
        moved[np.arange(n_mels), below] = 1 - (at - below)
        moved[np.arange(n_mels), below + 1] += at - below
        found.append(basis @ moved @ basis.T)
    return np.array(found, dtype=np.float32), factors


def mixed(inputs, label, alpha, random):
    """Each clip with another laid over it, and its label with the other's (mixup, Zhang et al. 2018).

    Args:
        inputs: {stream: (B, T, D), "<stream>_length": (B,)}.
        label: float (B, C).
        alpha: of the beta distribution that shares are drawn from.
        random: numpy Generator.

    Returns:
        (inputs, label): the larger share is the clip's own; a mixed clip is as long as the longer one.
    """
    other = random.permutation(len(label))
    share = random.beta(alpha, alpha, len(label))
    share = np.maximum(share, 1 - share).astype(np.float32)
    found = {}
    for stream in [name for name in inputs if f"{name}_length" in inputs]:
        length = inputs[f"{stream}_length"]
        value = _filled(inputs[stream], length)
        value = share[:, None, None] * value + (1 - share)[:, None, None] * value[other]
        found[f"{stream}_length"] = length = np.maximum(length, length[other])
        found[stream] = value * (np.arange(value.shape[1]) < length[:, None])[:, :, None]
    return found, share[:, None] * label + (1 - share)[:, None] * label[other]


def _filled(values, length):
    """(B, T, D), the padding of each clip replaced by the clip's mean step."""
    there = (np.arange(values.shape[1]) < length[:, None])[:, :, None]
    return np.where(there, values, (values * there).sum(axis=1, keepdims=True) / there.sum(axis=1, keepdims=True))
