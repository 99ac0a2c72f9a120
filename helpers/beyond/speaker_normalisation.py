"""How a person differs from themselves: everyone's clips by their own mean and spread."""

import dataclasses

import numpy as np

from helpers.audio import descriptors
from helpers.config import AudioConfig


def rows(values, person, of=None):
    """Each person's rows, less their mean and divided by their spread.

    It takes several clips of each person, but not their labels: with it, the test's people are no longer quite
    strangers, and its numbers are for those of whom one has clips.

    Args:
        values: (N, D), or (N, V, D) with V versions of each row, each by itself.
        person: (N,).
        of: (values, person) whose means and spreads are taken, with everyone in `person` among them; by default those
            of the rows themselves.

    Returns:
        float64, of the same shape.
    """
    values, person = np.asarray(values, dtype=float), np.asarray(person)
    known, whose = (values, person) if of is None else map(np.asarray, of)
    found, least = np.empty_like(values), 1e-3 * known.std(axis=0) + 1e-6
    for who in np.unique(person):
        own = known[whose == who]
        found[person == who] = (values[person == who] - own.mean(axis=0)) / (own.std(axis=0) + least)
    return found


def normalised(features):
    """Each person's steps, moved to the average person's mean and spread; see `rows` for what that means.

    Cepstra keep their proportions (one spread for all of them), so that what augmentation does to bands it still does.

    Args:
        features: FeatureSet.

    Returns:
        FeatureSet, whose `preprocessing` says so: a model of it cannot answer one clip of somebody.
    """
    changed = {}
    for stream in features.streams:
        values, length = np.array(getattr(features, stream)[:]), getattr(features, f"{stream}_length")
        there = np.arange(values.shape[1])[None] < length[:, None]  # (N, T)
        groups = _groups(features, stream, values.shape[2])
        people = {who: features.actor == who for who in np.unique(features.actor)}
        own = {who: values[of][there[of]] for who, of in people.items()}  # (steps, D)
        mean = {who: steps.mean(axis=0) for who, steps in own.items()}
        spread = {who: _spread(steps, groups) for who, steps in own.items()}
        usual_mean, usual = np.mean(list(mean.values()), axis=0), np.mean(list(spread.values()), axis=0)
        for who, of in people.items():
            factor = usual / np.maximum(spread[who], 1e-3 * usual + 1e-9)
            values[of] = ((values[of] - mean[who]) * factor + usual_mean) * there[of][:, :, None]
        changed[stream] = values.astype(np.float32)
    made = (features.preprocessing or {}) | {"per_speaker": True}
    return dataclasses.replace(features, **changed, preprocessing=made)


def _groups(features, stream, width):
    """(D,): columns of one number share one spread."""
    groups, made = np.arange(width), (features.preprocessing or {}).get(stream)
    if stream == "audio" and made:
        for name, place in descriptors.columns(AudioConfig(**made)).items():
            if name != "prosody":
                groups[place] = place.start
    return groups


def _spread(steps, groups):
    variance = steps.var(axis=0, dtype=float)
    return np.sqrt(np.array([variance[groups == group].mean() for group in groups]))
