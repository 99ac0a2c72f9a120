"""Trained on one data set, tested on another: what is left of a number where people, rooms and acting are others."""

import dataclasses

import numpy as np

from helpers.features.feature_set import STREAMS, FeatureSet
from helpers.training import cross_validation


def joined(known, other):
    """Two data sets as one, of the emotions that both have.

    Args:
        known, other: FeatureSet, made in the same way.

    Returns:
        (features, parts): a FeatureSet, whose people are numbered anew where both have the same numbers, and whose
        clips are where both have the same names; [(rows of known, rows of other)], the only fold.

    Raises:
        ValueError: fewer than two emotions in common, no stream in common, or features that were made in two ways.
    """
    classes = tuple(name for name in known.classes if name in other.classes)
    if len(classes) < 2:
        raise ValueError(
            f"the data sets share {len(classes)} emotions ({', '.join(known.classes)}; {', '.join(other.classes)}): "
            "rename those that mean the same"
        )
    streams = [stream for stream in STREAMS if stream in known.streams and stream in other.streams]
    if not streams:
        raise ValueError(f"one data set has {known.streams[0]} alone and the other {other.streams[0]} alone")
    if known.preprocessing != other.preprocessing:
        raise ValueError("the data sets' features were made in two ways: build both with the same configurations")
    parts = [_of(part, classes) for part in (known, other)]
    first, second = parts
    if set(first.clip_id) & set(second.clip_id):
        second = dataclasses.replace(second, clip_id=np.array([f"other-{name}" for name in second.clip_id]))
    if set(first.actor.tolist()) & set(second.actor.tolist()):
        second = dataclasses.replace(second, actor=second.actor + first.actor.max() + 1)
    fields = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in _EACH}
    for stream in streams:
        arrays = [np.asarray(getattr(part, stream)[:]) for part in (first, second)]
        longest = max(array.shape[1] for array in arrays)
        fields[stream] = np.concatenate([np.pad(a, ((0, 0), (0, longest - a.shape[1]), (0, 0))) for a in arrays])
        fields[f"{stream}_length"] = np.concatenate([getattr(part, f"{stream}_length") for part in (first, second)])
    rows = np.arange(len(first) + len(second))
    found = FeatureSet(classes=classes, preprocessing=known.preprocessing, **fields)
    return found, [(rows[: len(first)], rows[len(first) :])]


_EACH = ("clip_id", "label", "actor")


def _of(features, classes):
    """The clips of the given emotions, labelled by their places in `classes`."""
    places = {features.classes.index(name): place for place, name in enumerate(classes)}
    kept = features.subset(np.isin(features.label, list(places)))
    return dataclasses.replace(kept, label=np.array([places[label] for label in kept.label.tolist()]), classes=classes)


def cross_validate(known, other, model="fusion", **options):
    """Trains on every clip of one data set, and tests once on every clip of the other.

    Args:
        known, other: FeatureSet, made in the same way.
        model: "video", "audio" or "fusion".
        options: as in `training.cross_validate`, but for folds and protocol.

    Returns:
        CVResult of one fold, protocol "cross-corpus".

    Raises:
        ValueError: as `joined` and `training.cross_validate`.
    """
    features, parts = joined(known, other)
    return cross_validation.cross_validate(features, model, "cross-corpus", parts=parts, **options)
