"""Per-speaker normalisation: mean and standard deviation of each speaker's own clips.

It needs several clips of each test speaker, though not their labels: results with it hold for such speakers only.
"""

import dataclasses

import numpy as np

from helpers.audio import descriptors
from helpers.config import AudioConfig


def z_scores(values, speaker, reference=None):
    """Z-normalises rows per speaker.

    Args:
        values: (N, D), or (N, V, D) with V versions of each row, each normalised by itself.
        reference: (values, speaker) that means and standard deviations are computed from, with every speaker in it; by
            default the rows themselves.
    Returns: float64, of the same shape.
    """
    values, speaker = np.asarray(values, dtype=float), np.asarray(speaker)
    known, speaker_of = (values, speaker) if reference is None else map(np.asarray, reference)
    normal, least = np.empty_like(values), 1e-3 * known.std(axis=0) + 1e-6
    for who in np.unique(speaker):
        own = known[speaker_of == who]
        normal[speaker == who] = (values[speaker == who] - own.mean(axis=0)) / (own.std(axis=0) + least)
    return normal


def normalised(features):
    """Moves every speaker's frames to the mean and standard deviation of the average speaker.

    Cepstra share one standard deviation and keep their proportions, so that augmentation still acts on mel bands.

    Returns: FeatureSet with `per_speaker` in its `preprocessing`: its models cannot predict a single clip.
    """
    preprocessing, changed = features.preprocessing or {}, {}
    for stream in features.streams:
        values, length = np.array(getattr(features, stream)[:]), getattr(features, f"{stream}_length")
        real = np.arange(values.shape[1])[None] < length[:, None]  # (N, T)
        speakers = [features.actor == who for who in np.unique(features.actor)]
        frames = [values[rows][real[rows]] for rows in speakers]  # (frames, D) of each
        mean = np.array([own.mean(axis=0) for own in frames])
        variance = np.array([own.var(axis=0, dtype=float) for own in frames])
        if stream == "audio" and "audio" in preprocessing:
            places = descriptors.columns(AudioConfig(**preprocessing["audio"]))
            for place in (place for name, place in places.items() if name != "prosody"):
                variance[:, place] = variance[:, place].mean(axis=1, keepdims=True)
        std = np.sqrt(variance)
        factor = std.mean(axis=0) / np.maximum(std, 1e-3 * std.mean(axis=0) + 1e-9)
        for number, rows in enumerate(speakers):
            moved = (values[rows] - mean[number]) * factor[number] + mean.mean(axis=0)
            values[rows] = moved * real[rows][:, :, None]
        changed[stream] = values.astype(np.float32)
    return dataclasses.replace(features, **changed, preprocessing=preprocessing | {"per_speaker": True})
