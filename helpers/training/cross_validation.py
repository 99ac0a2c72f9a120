"""Cross-validation with its files, fold by fold, resumable (thesis 3.3.1)."""

import contextlib
import dataclasses
import glob
import hashlib
import json
import pathlib

import numpy as np

from helpers import config as configs
from helpers import runtime
from helpers.config import FusionConfig, SubsystemConfig, TrainConfig
from helpers.data import ravdess
from helpers.evaluation import metrics, significance
from helpers.training import checks
from helpers.training import folder as run_folder

MODELS = {"video": ("video",), "audio": ("audio",), "fusion": ("video", "audio")}
_PREPROCESSING = {"video": ("video", "vgg16"), "audio": ("audio",), "fusion": ("video", "vgg16", "audio")}


@dataclasses.dataclass(frozen=True)
class CVResult:
    """What a cross-validation gives."""

    predictions: object  # DataFrame, one row a test clip: clip_id actor label prediction fold p_<emotion> …
    history: object  # DataFrame, one row an epoch: fold epoch loss accuracy [val_loss val_accuracy] seconds
    classes: tuple  # the emotions' names
    about: dict  # model, protocol, seed, epochs, trained_on: FeatureSet.data, …
    out: pathlib.Path  # folder with the files

    def summary(self):
        """dict: average best lowest std (accuracy over folds), uar, macro_f1, n, protocol, per_class, …, with what
        `significance.report` adds: intervals, calibration, most confused pairs, accuracy by actor."""
        numbers = metrics.summarise(self.predictions, self.classes, **self.about)
        return numbers | significance.report(self.predictions, self.classes, self.about["protocol"])


def cross_validate(
    features,
    model="fusion",
    protocol="random",
    n_folds=configs.N_FOLDS,
    max_folds=None,
    out=None,
    train=None,
    seed=0,
    *,
    video=None,
    audio=None,
    fusion=None,
    subsystems=None,
    parts=None,
    progress=True,
    workers=1,
):
    """Trains and tests one model on every fold, writing each as it is finished.

    A finished fold is never trained again; a killed one goes on from its last saved epoch, to the same end. A folder
    that holds another configuration's folds is set aside as `<out>.<key>`, and taken back when that one returns.

    Args:
        model: "video", "audio" or "fusion".
        protocol, n_folds, seed: as in `ravdess.folds`; the seed also sets weights and shuffling.
        max_folds: stop after so many folds; None runs all.
        out: folder for config.json, preprocessing.json, summary.json and
            fold_<k>/{history.csv,predictions.csv,model.keras}; by default runs/<model>-<protocol>-<key>.
        train: TrainConfig. The number of epochs is fixed, or found on a part of the training rows: the test fold is
            predicted once, at the end.
        video, audio, fusion: SubsystemConfig, SubsystemConfig, FusionConfig; the thesis' by default.
        subsystems: {"video": folder, "audio": folder} of finished cross-validations on the same folds that the
            fusion's `encoders` come from; one that is not named is trained first, into `out`/<stream>.
        parts: list of (train, test) index arrays, folds of one's own; `protocol` is then only their name.
        workers: folds trained in parallel, in processes of one thread each: on a CPU two of them do more than one with
            two threads; an accelerator wants 1.
    Returns: CVResult.
    Raises:
        BlockingIOError: another process trains in `out`.
        ValueError: before anything is trained: unknown model, a modality the features lack, folds that cannot be made,
            a class without training clips, an actor or take on both sides, a feature that is not finite, subsystems
            trained on other folds.
        OSError: too little room on the disk; finished folds are kept.
    """
    if model not in MODELS:
        raise ValueError(f"model is {model!r}; one of {', '.join(MODELS)}")
    lacking = [stream for stream in MODELS[model] if stream not in features.streams]
    if lacking:
        raise ValueError(f"the {model} model needs {lacking[0]} features, and these have only {features.streams[0]}")
    own = parts is not None
    parts = parts if own else ravdess.folds(features, protocol, n_folds, seed)
    checks.check_folds(features, MODELS[model], protocol, parts)
    settings = {"model": model, "protocol": protocol, "n_folds": len(parts), "seed": seed}
    settings["train"] = train or TrainConfig()
    settings["video"] = (video or SubsystemConfig.video()) if "video" in MODELS[model] else None
    settings["audio"] = (audio or SubsystemConfig.audio()) if "audio" in MODELS[model] else None
    settings["fusion"] = (fusion or FusionConfig()) if model == "fusion" else None
    settings |= {"classes": features.classes, "features": features.fingerprint(MODELS[model])}
    settings = configs.as_dict(settings | {"backend": runtime.choose_backend()})
    if own:
        arrays = [[np.asarray(rows, dtype=np.int64) for rows in part] for part in parts]
        settings["parts"] = [[hashlib.sha256(rows.tobytes()).hexdigest()[:8] for rows in part] for part in arrays]
    required = _subsystems(features, settings)  # those the encoders come from
    if required:
        settings["subsystems"] = {stream: configs.key(required[stream]) for stream in required}
    out = pathlib.Path(out or runtime.workspace() / "runs" / f"{model}-{protocol}-{configs.key(settings)}")
    parts = parts[:max_folds]
    given = {stream: pathlib.Path(folder) for stream, folder in (subsystems or {}).items()}
    if given.keys() - required.keys():
        todo = 'set FusionConfig(encoders="fine-tuned")'
        raise ValueError(f"subsystems are named, and nothing would be taken from them: {todo}")
    checks.check_subsystems(required, given, len(parts))
    with run_folder.held(out):
        _claim(out, settings)
        made = features.preprocessing or {}
        if all(name in made for name in _PREPROCESSING[model]):
            names = (*_PREPROCESSING[model], "per_speaker")
            _write_json(out / "preprocessing.json", {name: made[name] for name in names if name in made})
        parameters = _parameters(features, settings, out)
        checks.check_room(out, parameters, len(parts), workers)
        for stream in required.keys() - given.keys():
            given[stream] = out / stream
            options = {"parts": parts if own else None, "progress": progress, "workers": workers}
            options[stream] = SubsystemConfig(**required[stream][stream])
            cross_validate(features, stream, protocol, n_folds, max_folds, given[stream], train, seed, **options)
        _run_folds(features, settings, parts, out, given, progress, workers)
        result = _collect(out, len(parts), settings, parameters=parameters, trained_on=features.data)
        _write_json(out / "summary.json", result.summary())
        return result


def _subsystems(features, settings):
    """config.json's content of the subsystems that a fusion's encoders come from: {} where it is end-to-end."""
    if not settings["fusion"] or settings["fusion"]["encoders"] == "end-to-end":
        return {}
    return {
        stream: {**settings, "model": stream, "fusion": None, other: None, "features": features.fingerprint((stream,))}
        for stream, other in (("video", "audio"), ("audio", "video"))
    }


def _parameters(features, settings, out):
    """Number of trained parameters, from the summary where there is one."""
    with contextlib.suppress(FileNotFoundError, ValueError):  # a damaged summary is made again
        return configs.read_json(out / "summary.json", {"parameters": int}, "")["parameters"]
    from helpers.training import fold

    return fold.parameters(features, settings)


def load(out):
    """The CVResult of a finished cross-validation's folder; FileNotFoundError where none is finished there."""
    out = pathlib.Path(out)
    if not (out / "summary.json").is_file():
        raise FileNotFoundError(f"{out} holds no finished cross-validation; run the notebook that trains it to its end")
    settings = configs.read(out / "config.json")
    summary = configs.read_json(
        out / "summary.json", {"folds": int, "n": int}, "run the same again, which makes it anew"
    )
    about = {"parameters": summary.get("parameters"), "trained_on": summary.get("trained_on", "")}
    result = _collect(out, summary["folds"], settings, **about)
    if len(result.predictions) != summary["n"]:
        both = f"predictions of {len(result.predictions)} clips, and its summary.json says {summary['n']}"
        raise ValueError(f"{out} holds {both}: run the same again, which names the damaged fold")
    return result


def _claim(out, settings):
    """Makes `out` this configuration's folder; another configuration's folds are set aside, never reused or lost."""
    if (out / "config.json").is_file():
        stored = configs.read(out / "config.json")
        if stored == settings:
            return
        aside = out.with_name(f"{out.name}.{configs.key(stored)}")
        out.rename(aside)
        print(f"{out} held another configuration; its folds are kept in {aside.name}")
    # By what it holds: an earlier version, which did not have today's fields, named it by another key.
    for earlier in out.parent.glob(f"{glob.escape(out.name)}.{'[0-9a-f]' * 8}/config.json"):
        if configs.read(earlier) == settings:
            earlier.parent.rename(out)
            return
    out.mkdir(parents=True, exist_ok=True)
    _write_json(out / "config.json", settings)


def _run_folds(features, settings, parts, out, subsystems, progress, workers):
    todo = [k for k in range(1, len(parts) + 1) if not (out / f"fold_{k}" / "predictions.csv").is_file()]
    for k in set(range(1, len(parts) + 1)) - set(todo):
        run_folder.predictions(out / f"fold_{k}", settings, len(parts[k - 1][1]))
    if not todo:
        return
    from tqdm.auto import tqdm

    streams, epochs = MODELS[settings["model"]], settings["train"]["epochs"]
    common = {"features": features, "settings": settings, "streams": streams, "subsystems": subsystems}
    rows = {k: dict(zip(("train_rows", "test_rows"), parts[k - 1])) for k in todo}
    jobs = [{**common, **rows[k], "k": k, "folder": out / f"fold_{k}"} for k in todo]
    title = f"{settings['model']}, {len(parts)} fold{'s' * (len(parts) > 1)}"
    with tqdm(total=len(parts) * epochs, desc=title, unit="epoch", disable=not progress) as bar:
        bar.update((len(parts) - len(todo)) * epochs)
        if min(workers, len(todo)) > 1:
            from helpers.training import parallel_folds

            parallel_folds.run(jobs, workers, bar)
            return
        from helpers.training import fold

        with runtime.sharing():
            for job in jobs:
                fold.run(**job, bar=bar)


def _collect(out, n_folds, settings, **about):
    import pandas as pd

    folds = [out / f"fold_{k}" for k in range(1, n_folds + 1)]
    predictions = pd.concat([run_folder.predictions(fold, settings) for fold in folds], ignore_index=True)
    history = pd.concat([run_folder.history(fold, settings) for fold in folds], ignore_index=True)
    about |= {name: settings[name] for name in ("model", "protocol", "seed", "backend")}
    about |= {"epochs": settings["train"]["epochs"], "folds_planned": settings["n_folds"]}
    return CVResult(predictions, history, tuple(settings["classes"]), about, out)


def _write_json(path, value):
    with runtime.replacing(path) as file:
        file.write(f"{json.dumps(value, indent=1)}\n".encode())
