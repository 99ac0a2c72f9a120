"""Cross-corpus evaluation: trained on one data set, tested on another with other speakers, rooms and acting."""

import dataclasses

import numpy as np

from helpers.features.feature_set import STREAMS, FeatureSet
from helpers.training import cross_validation


def joined(source, target):
    """Joins two data sets, made with the same configurations, on the two or more emotions that both have.

    Returns:
        (features, parts): a FeatureSet, in which actors and clips of the target are renamed where both have the same;
        [(rows of the source, rows of the target)], the only fold.
    Raises ValueError: they do not go together; says why.
    """
    classes = tuple(name for name in source.classes if name in target.classes)
    if len(classes) < 2:
        both = f"({', '.join(source.classes)}; {', '.join(target.classes)})"
        raise ValueError(f"the data sets share {len(classes)} emotions {both}: rename those that mean the same")
    streams = [stream for stream in STREAMS if stream in source.streams and stream in target.streams]
    if not streams:
        raise ValueError(f"one data set has {source.streams[0]} alone and the other {target.streams[0]} alone")
    parts = [*streams, *["vgg16"] * ("video" in streams), "per_speaker"]
    made = [{part: (features.preprocessing or {}).get(part) for part in parts} for features in (source, target)]
    if made[0] != made[1]:
        raise ValueError("the data sets' features were made in two ways: build both with the same configurations")
    parts = []
    for features in (source, target):
        kept = features.subset(np.isin(np.array(features.classes)[features.label], classes))
        label = np.array([classes.index(kept.classes[number]) for number in kept.label])
        parts.append(dataclasses.replace(kept, label=label, classes=classes))
    first, second = parts
    if np.isin(first.clip_id, second.clip_id).any():
        second = dataclasses.replace(second, clip_id=np.array([f"other-{name}" for name in second.clip_id]))
    if np.isin(first.actor, second.actor).any():
        second = dataclasses.replace(second, actor=second.actor + first.actor.max() + 1)
    names = ["clip_id", "label", "actor"] + [f"{stream}_length" for stream in streams]
    fields = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    for stream in streams:
        arrays = [np.asarray(getattr(part, stream)[:]) for part in parts]
        longest = max(array.shape[1] for array in arrays)
        fields[stream] = np.concatenate([np.pad(a, ((0, 0), (0, longest - a.shape[1]), (0, 0))) for a in arrays])
    rows = np.arange(len(first) + len(second))
    features = FeatureSet(classes=classes, preprocessing=source.preprocessing, data=source.data, **fields)
    return features, [(rows[: len(first)], rows[len(first) :])]


def cross_validate(source, target, model="fusion", **options):
    """Trains on every clip of one data set and tests on every clip of another, as `joined`: CVResult of one fold.

    `model` and `options` are those of `training.cross_validate`, except folds and protocol.
    """
    features, parts = joined(source, target)
    return cross_validation.cross_validate(features, model, "cross-corpus", parts=parts, **options)
