"""Checks before training: data leakage, folds that cannot work, too little room on the disk."""

import hashlib
import shutil

import numpy as np

from helpers import config
from helpers.data import ravdess
from helpers.training import folder as run_folder

_MB = 1 << 20


def check_folds(features, streams, protocol, parts):
    """Checks folds, a list of (train, test) index arrays, for leakage, missing classes and non-finite features.

    Raises:
        ValueError: a take, the same content, or under an actor-wise protocol an actor, on both sides; a class without
            training clips; a feature that is not finite. Names the fold, and the clip, actor or emotion.
    """
    if len(np.unique(features.label)) < 2:
        raise ValueError(f"the clips are of one class alone, {features.classes[features.label[0]]!r}: give two")
    contents = [hashlib.sha256() for _ in features.clip_id]
    for stream in streams:
        values = getattr(features, stream)
        for row, content in enumerate(contents):
            if not np.isfinite(value := np.asarray(values[row])).all():
                raise ValueError(f"{features.clip_id[row]} has {stream} features that are not numbers")
            content.update(value.tobytes())
    contents = np.array([content.hexdigest() for content in contents])
    takes = np.array([_take(name) for name in features.clip_id])
    for k, (train, test) in enumerate(parts, start=1):
        both = [*np.intersect1d(takes[train], takes[test])]
        if protocol != "random":
            both = [*both, *(f"actor {a}" for a in np.intersect1d(features.actor[train], features.actor[test]))]
        same = np.intersect1d(contents[train], contents[test])
        both = [*both, *(f"the content of {features.clip_id[contents == one][0]}" for one in same)]
        if both:
            raise ValueError(f"fold {k} has {', '.join(map(str, both[:3]))} on both sides; leave duplicates out")
        lacking = np.setdiff1d(features.label, features.label[train])
        if len(lacking):
            names = ", ".join(repr(features.classes[label]) for label in lacking)
            raise ValueError(
                f"fold {k} of protocol {protocol!r} would train on no clip of {names}: "
                "use fewer folds, or leave out what one speaker alone has"
            )


def _take(clip_id):
    """The take of a clip: RAVDESS' code without the modality, else the whole id."""
    try:
        return ravdess.parse(clip_id).take
    except ValueError:
        return clip_id


def check_subsystems(required, folders, n_folds):
    """Checks that the subsystems a fusion starts from were trained on its training clips alone.

    Args:
        required: {stream: config.json's content that the fusion needs}; the training's settings may differ.
        folders: {stream: folder of a cross-validation with at least `n_folds` finished folds}.
    Raises:
        FileNotFoundError: no such folder, or a fold is missing in it.
        ValueError: trained on other folds, features or architecture, or one fold otherwise than its folder says.
    """
    for stream, folder in folders.items():
        lacking = [k for k in range(1, n_folds + 1) if not (folder / f"fold_{k}" / "model.keras").is_file()]
        if lacking or not (folder / "config.json").is_file():
            first = (lacking or [1])[0]
            raise FileNotFoundError(f"{folder} lacks fold {first} of the {stream} subsystem: train it first")
        stored = config.read(folder / "config.json")
        for name in ("model", "protocol", "n_folds", "parts", "seed", "classes", "features", stream):
            here, there = required[stream].get(name), stored.get(name)
            if there != here:
                why = "its encoders may know the test clips, or do not fit"
                what = f"{folder} was trained with another {name} ({there}, here {here})"
                raise ValueError(f"{what}: {why}; train the subsystem with this fusion's settings")
        for k in range(1, n_folds + 1):
            run_folder.predictions(folder / f"fold_{k}", stored)


def check_room(out, parameters, n_folds, workers):
    """Raises OSError, naming folder and sizes, where the disk cannot hold the folds' models and training states."""
    # A model in float32, and while it trains its state with Adam's two moments, twice for a moment when it is renewed.
    need = 4 * parameters * (n_folds + 6 * min(workers, n_folds)) + _MB * n_folds
    place = next(folder for folder in (out, *out.resolve().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free < need:
        what = f"{n_folds} folds of this model take about {need / _MB:,.0f} MB"
        raise OSError(f"{place} has {free / _MB:,.0f} MB free, and {what}: make room, or name another folder as `out`")
