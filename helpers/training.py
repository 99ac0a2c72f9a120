"""Cross-validation with its files, fold by fold, resumable (thesis 3.3.1)."""

import dataclasses
import json
import os
import pathlib

import numpy as np

from helpers import config as configs
from helpers import evaluation, ravdess, runtime, statistics
from helpers.config import FusionConfig, SubsystemConfig, TrainConfig

MODELS = {"video": ("video",), "audio": ("audio",), "fusion": ("video", "audio")}


@dataclasses.dataclass(frozen=True)
class CVResult:
    """What a cross-validation gives.

    Attributes:
        predictions: DataFrame, one row a test clip: clip_id actor label prediction fold p_<emotion> ….
        history: DataFrame, one row an epoch: fold epoch loss accuracy [val_loss val_accuracy] seconds.
        classes: the emotions' names.
        about: model, protocol, seed, epochs, ….
        out: folder with the files.
    """

    predictions: object
    history: object
    classes: tuple
    about: dict
    out: pathlib.Path

    def summary(self):
        """dict: average best lowest std (accuracy over folds), uar, macro_f1, n, protocol, per_class, …; and what
        `statistics.report` adds: intervals, calibration, most confused pairs, the spread over actors."""
        numbers = evaluation.summarise(self.predictions, self.classes, **self.about)
        return numbers | statistics.report(self.predictions, self.classes, self.about["protocol"])


def cross_validate(
    features,
    model="fusion",
    protocol="random",
    n_folds=10,
    max_folds=None,
    out=None,
    train=None,
    seed=0,
    *,
    video=None,
    audio=None,
    fusion=None,
    progress=True,
    workers=1,
):
    """Trains and tests one model on every fold, writing each as it is finished.

    A finished fold is never trained again, and a fold killed half-way goes on with its last saved epoch, to the same
    end. A folder that holds another
    configuration's folds is put aside, as `<out>.<key>`, and taken back when that configuration returns.

    Args:
        features: FeatureSet.
        model: "video", "audio" or "fusion".
        protocol, n_folds, seed: as in `ravdess.folds`; the seed also sets weights and shuffling.
        max_folds: stop after so many folds; None runs all.
        out: folder for config.json, fold_<k>/{history.csv,predictions.csv,model.keras} and summary.json; by default
            runs/<model>-<protocol>-<key> in the workspace.
        train: TrainConfig. The number of epochs is fixed, or found on a part of the training rows: the test fold is
            predicted once, at the end.
        video, audio: SubsystemConfig of each stream, the thesis' by default.
        fusion: FusionConfig.
        progress: show a bar.
        workers: folds trained side by side, in processes of one thread each. On a CPU two such processes do more than
            one with two threads; an accelerator wants 1.

    Returns:
        CVResult.

    Raises:
        ValueError: unknown model, a stream the features lack, folds that cannot be made, a class that a fold has no
            training clip of, one actor or take on both sides, a feature that is no number; before anything is trained.
    """
    if model not in MODELS:
        raise ValueError(f"model is {model!r}; one of {', '.join(MODELS)}")
    lacking = [stream for stream in MODELS[model] if stream not in features.streams]
    if lacking:
        raise ValueError(f"the {model} model needs {lacking[0]} features, and these have only {features.streams[0]}")
    parts = ravdess.folds(features, protocol, n_folds, seed)
    _check(features, model, protocol, parts)
    settings = configs.as_dict(
        {
            "model": model,
            "protocol": protocol,
            "n_folds": len(parts),
            "seed": seed,
            "train": train or TrainConfig(),
            "video": (video or SubsystemConfig.video()) if "video" in MODELS[model] else None,
            "audio": (audio or SubsystemConfig.audio()) if "audio" in MODELS[model] else None,
            "fusion": (fusion or FusionConfig()) if model == "fusion" else None,
            "classes": features.classes,
            "features": features.fingerprint(),
            "backend": runtime.choose_backend(),
        }
    )
    out = pathlib.Path(out or runtime.workspace() / "runs" / f"{model}-{protocol}-{configs.key(settings)}")
    _claim(out, settings)
    parts = parts[:max_folds]
    _run_folds(features, settings, parts, out, progress, workers)
    result = _collect(out, len(parts), settings)
    _write_json(out / "summary.json", result.summary())
    return result


def _check(features, model, protocol, parts):
    """Asserts what everyone trusts: nobody and no take on both sides, every class trained on, numbers everywhere."""
    takes = np.array([_take(name) for name in features.clip_id])
    for k, (train, test) in enumerate(parts, start=1):
        both = np.intersect1d(takes[train], takes[test])
        if protocol != "random":
            both = [*both, *(f"actor {a}" for a in np.intersect1d(features.actor[train], features.actor[test]))]
        if len(both):
            raise ValueError(f"fold {k} has {', '.join(map(str, both[:3]))} on both sides; leave duplicates out")
        lacking = np.setdiff1d(features.label, features.label[train])
        if len(lacking):
            names = ", ".join(repr(features.classes[label]) for label in lacking)
            raise ValueError(f"fold {k} of protocol {protocol!r} would train on no clip of {names}: use fewer folds")
    for stream in MODELS[model]:
        values = getattr(features, stream)
        for at in range(0, len(features), 1024):
            bad = np.flatnonzero(~np.isfinite(values[at : at + 1024]).all(axis=(1, 2)))
            if len(bad):
                raise ValueError(f"{features.clip_id[at + bad[0]]} has {stream} features that are not numbers")


def _take(clip_id):
    """What names a performance: RAVDESS' code without the modality, else the whole id."""
    try:
        return ravdess.parse(clip_id).take
    except ValueError:
        return clip_id


def load(out):
    """The CVResult of a finished cross-validation's folder.

    Raises:
        FileNotFoundError: there is none, or it was interrupted and has no summary yet.
    """
    out = pathlib.Path(out)
    if not (out / "summary.json").is_file():
        raise FileNotFoundError(f"{out} holds no finished cross-validation; run the notebook that trains it to its end")
    n_folds = json.loads((out / "summary.json").read_text())["folds"]
    return _collect(out, n_folds, json.loads((out / "config.json").read_text()))


def _claim(out, settings):
    """Makes `out` this configuration's folder; another configuration's folds are put aside, never reused or lost."""
    if (out / "config.json").is_file():
        stored = json.loads((out / "config.json").read_text())
        if stored == settings:
            return
        aside = out.with_name(f"{out.name}.{configs.key(stored)}")
        out.rename(aside)
        print(f"{out} held another configuration; its folds are kept in {aside.name}")
    earlier = out.with_name(f"{out.name}.{configs.key(settings)}")
    if earlier.is_dir():
        earlier.rename(out)
        return
    out.mkdir(parents=True, exist_ok=True)
    _write_json(out / "config.json", settings)


def _run_folds(features, settings, parts, out, progress, workers):
    todo = [k for k in range(1, len(parts) + 1) if not (out / f"fold_{k}" / "predictions.csv").is_file()]
    if not todo:
        return
    from tqdm.auto import tqdm

    streams, epochs = MODELS[settings["model"]], settings["train"]["epochs"]
    jobs = [(features, settings, streams, *parts[k - 1], k, out / f"fold_{k}") for k in todo]
    with tqdm(total=len(parts) * epochs, desc=settings["model"], disable=not progress) as bar:
        bar.update((len(parts) - len(todo)) * epochs)
        if min(workers, len(todo)) > 1:
            from helpers import side_by_side

            side_by_side.run(jobs, workers, bar)
            return
        from helpers import fold

        for job in jobs:
            fold.run(*job, bar)


def _collect(out, n_folds, settings):
    import pandas as pd

    def gather(name):
        return pd.concat([pd.read_csv(out / f"fold_{k}" / name) for k in range(1, n_folds + 1)], ignore_index=True)

    about = {name: settings[name] for name in ("model", "protocol", "seed", "backend")}
    about |= {"epochs": settings["train"]["epochs"], "folds_planned": settings["n_folds"]}
    return CVResult(gather("predictions.csv"), gather("history.csv"), tuple(settings["classes"]), about, out)


def _write_json(path, value):
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(temporary, path)
