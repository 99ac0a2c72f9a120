"""Cross-validation with its files, fold by fold, resumable (thesis 3.3.1)."""

import dataclasses
import json
import os
import pathlib
import shutil
import time

from helpers import config as configs
from helpers import evaluation, ravdess, runtime
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
        """dict: average best lowest std (accuracy over folds), uar, macro_f1, n, protocol, per_class, …."""
        return evaluation.summarise(self.predictions, self.classes, **self.about)


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
):
    """Trains and tests one model on every fold, writing each as it is finished.

    A finished fold is never trained again: killed at any point, the same call goes on. A folder that holds another
    configuration's folds is put aside, as `<out>.<key>`, and taken back when that configuration returns.

    Args:
        features: FeatureSet.
        model: "video", "audio" or "fusion".
        protocol, n_folds, seed: as in `ravdess.folds`; the seed also sets weights and shuffling.
        max_folds: stop after so many folds; None runs all.
        out: folder for config.json, fold_<k>/{history.csv,predictions.csv,model.keras} and summary.json; by default
            runs/<model>-<protocol>-<key> in the workspace.
        train: TrainConfig. The number of epochs is fixed: the test fold is predicted once, after the last.
        video, audio: SubsystemConfig of each stream, the thesis' by default.
        fusion: FusionConfig.
        progress: show a bar.

    Returns:
        CVResult.

    Raises:
        ValueError: unknown model, a stream the features lack, or folds that cannot be made.
    """
    if model not in MODELS:
        raise ValueError(f"model is {model!r}; one of {', '.join(MODELS)}")
    lacking = [stream for stream in MODELS[model] if stream not in features.streams]
    if lacking:
        raise ValueError(f"the {model} model needs {lacking[0]} features, and these have only {features.streams[0]}")
    parts = ravdess.folds(features, protocol, n_folds, seed)
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
    _run_folds(features, settings, parts, out, progress)
    result = _collect(out, len(parts), settings)
    _write_json(out / "summary.json", result.summary())
    return result


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


def _run_folds(features, settings, parts, out, progress):
    todo = [k for k in range(1, len(parts) + 1) if not (out / f"fold_{k}" / "predictions.csv").is_file()]
    if not todo:
        return
    from tqdm.auto import tqdm

    with tqdm(total=len(parts) * settings["train"]["epochs"], desc=settings["model"], disable=not progress) as bar:
        bar.update((len(parts) - len(todo)) * settings["train"]["epochs"])
        for k in todo:
            _run_fold(features, settings, *parts[k - 1], k, out / f"fold_{k}", bar)


def _run_fold(features, settings, train_rows, test_rows, k, folder, bar):
    """Trains on the training rows, predicts the test rows, and leaves `folder` complete or not at all."""
    import keras
    import pandas as pd

    train = TrainConfig(**settings["train"])
    keras.backend.clear_session()
    runtime.seed(settings["seed"] * 1000 + k)
    fit_rows, held_rows = _hold_out(features, train_rows, settings)
    network = _build(features, fit_rows, settings)
    network.compile(keras.optimizers.Adam(train.learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    streams = MODELS[settings["model"]]
    # What fits into memory is handed over whole; else it is read batch by batch.
    if features.on_disk:
        fit = {"x": features.batches(fit_rows, train.batch_size, streams, seed=settings["seed"] * 1000 + k)}
        held = features.batches(held_rows, 256, streams) if len(held_rows) else None
        test = features.batches(test_rows, 256, streams, labels=False)
    else:
        fit = {"x": features.inputs(fit_rows, streams), "y": features.label[fit_rows], "batch_size": train.batch_size}
        held = (features.inputs(held_rows, streams), features.label[held_rows]) if len(held_rows) else None
        test = features.inputs(test_rows, streams)
    watch = _epoch_callback(k, bar)
    network.fit(
        **fit,
        epochs=train.epochs,
        validation_data=held,
        shuffle=not features.on_disk,
        callbacks=[watch],
        verbose=0,
    )
    probabilities = network.predict(test, batch_size=None if features.on_disk else 256, verbose=0)  # (n, C)
    predictions = pd.DataFrame(
        {
            "clip_id": features.clip_id[test_rows],
            "actor": features.actor[test_rows],
            "label": features.label[test_rows],
            "prediction": probabilities.argmax(axis=1),
            "fold": k,
        }
    )
    for number, name in enumerate(features.classes):
        predictions[f"p_{name}"] = probabilities[:, number]
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    pd.DataFrame(watch.rows).to_csv(temporary / "history.csv", index=False)
    # Saved through a model that was never compiled: the optimiser's state would triple the file.
    keras.Model(network.input, network.output, name=network.name).save(temporary / "model.keras")
    predictions.to_csv(temporary / "predictions.csv", index=False)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def _build(features, rows, settings):
    """The configured model, its normalisation fitted on `rows`."""
    from helpers import models

    kind, n_classes = settings["model"], len(features.classes)
    normalisation = {stream: features.normalisation(rows, stream) for stream in MODELS[kind]}
    dims = {stream: getattr(features, stream).shape[-1] for stream in MODELS[kind]}
    parts = {stream: SubsystemConfig(**settings[stream]) for stream in MODELS[kind]}
    if kind == "fusion":
        fusion = FusionConfig(**settings["fusion"])
        return models.fusion_model(
            dims["video"], dims["audio"], **parts, fusion=fusion, n_classes=n_classes, normalisation=normalisation
        )
    make = models.video_subsystem if kind == "video" else models.audio_subsystem
    return make(dims[kind], parts[kind], n_classes=n_classes, normalisation=normalisation[kind])


def _hold_out(features, rows, settings):
    """Carves the curves' validation part out of the training rows: by actor where the protocol is by actor."""
    share = settings["train"]["validation"]
    if not share:
        return rows, rows[:0]
    from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

    options = {"test_size": share, "random_state": settings["seed"]}
    if settings["protocol"] == "random":
        fit, held = next(StratifiedShuffleSplit(1, **options).split(rows, features.label[rows]))
    else:
        fit, held = next(GroupShuffleSplit(1, **options).split(rows, groups=features.actor[rows]))
    return rows[fit], rows[held]


def _epoch_callback(fold, bar):
    import keras

    class Watch(keras.callbacks.Callback):
        """Keeps each epoch's numbers and moves the bar."""

        def __init__(self):
            super().__init__()
            self.rows = []

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds = round(time.perf_counter() - self.started, 3)
            self.rows.append({"fold": fold, "epoch": epoch + 1, **(logs or {}), "seconds": seconds})
            bar.set_postfix(fold=fold, loss=f"{logs['loss']:.3f}", accuracy=f"{logs['accuracy']:.2f}")
            bar.update()

    return Watch()


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
