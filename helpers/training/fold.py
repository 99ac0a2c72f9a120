"""One fold: trained on its training rows, resumable after each epoch, its test rows predicted once."""

import json
import pathlib
import shutil
import time
import warnings
import zipfile

import keras
import numpy as np

from helpers import config, models, runtime
from helpers.config import FusionConfig, SubsystemConfig, TrainConfig

STATE_EVERY = 10  # seconds of training that a kill may cost at the most, and an epoch


def run(features, settings, streams, train_rows, test_rows, k, folder, subsystems, bar):
    """Trains and predicts one fold, and leaves `folder` complete or not at all.

    Args:
        settings: config.json's content.
        streams: the model's modalities.
        k: the fold's number, from 1.
        folder: for history.csv, predictions.csv, model.keras and fold.json; it resumes from `.<name>.state.npz` beside
            it.
        subsystems: {stream: folder of its cross-validation} that the fusion's encoders come from; or None.
        bar: tqdm, moved once an epoch.
    Raises OSError: the fold could not be saved; its last state is kept where there is room for it.
    """
    import pandas as pd

    train, seed = TrainConfig(**settings["train"]), settings["seed"] * 1000 + k
    runtime.seed(seed)
    fit_rows, held_rows = hold_out(features, train_rows, settings)
    network = build(features, fit_rows, settings)
    if subsystems:
        take_encoders(network, {stream: path / f"fold_{k}" for stream, path in subsystems.items()}, settings)
    network = compile_or_reuse(network, train, train.epochs * -(-len(fit_rows) // train.batch_size))
    resume = ResumeCallback(folder.with_name(f".{folder.name}.state.npz"), k, bar, train.patience, config.key(settings))
    # Sequences cut to their batch's longest are new shapes to compile: JAX gains by it, TensorFlow on a GPU does not.
    bucket = keras.config.backend() == "jax"
    batches = features.batches(fit_rows, train.batch_size, streams, seed=seed, bucket=bucket, train=train)
    begun = resume.restore(network, batches)
    network.fit(
        batches,
        epochs=train.epochs,
        initial_epoch=min(begun, train.epochs),
        validation_data=features.batches(held_rows, 256, streams, train=train) if len(held_rows) else None,
        shuffle=False,  # the batches shuffle themselves
        callbacks=[resume],
        verbose=0,
    )
    resume.restore_best()
    size = 256 - 256 % runtime.devices()  # only the last batch may be filled up, and is cut off again
    batches = features.batches(test_rows, size, streams, labels=False)
    probabilities = network.predict(batches, verbose=0)[: len(test_rows)]  # (n, C)
    if not np.isfinite(probabilities).all():
        raise ValueError(f"fold {k} diverged, its probabilities are no numbers: lower learning_rate, or set clip_norm")
    columns = {name: getattr(features, name)[test_rows] for name in ("clip_id", "actor", "label")}
    columns |= {"prediction": probabilities.argmax(axis=1), "fold": k}
    predictions = pd.DataFrame(columns | {f"p_{name}": p for name, p in zip(features.classes, probabilities.T)})
    try:
        _save(folder, network, predictions, pd.DataFrame(resume.rows), settings)
    except OSError as error:
        resume.save()
        what = f"fold {k} could not be saved: {error.strerror or error}"
        kept = "Finished folds are kept, and this one's state if there was room"
        raise OSError(error.errno, f"{what}. {kept}: make room at {folder.parent} and run the same again") from error
    resume.path.unlink(missing_ok=True)


def _save(folder, network, predictions, history, settings):
    """Writes the fold's folder, complete or not at all."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        history.to_csv(temporary / "history.csv", index=False)
        # Through a model that was never compiled: the optimiser's state would triple the file.
        keras.Model(network.input, network.output, name=network.name).save(temporary / "model.keras")
        predictions.to_csv(temporary / "predictions.csv", index=False)
        about = {"clips": len(predictions), "config": settings}
        (temporary / "fold.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def parameters(features, settings):
    """Number of trained parameters of the configured model."""
    return int(sum(np.prod(weight.shape) for weight in build(features, np.arange(1), settings).trainable_weights))


def take_encoders(network, folders, settings):
    """Copies the encoders of trained subsystems, {stream: finished fold's folder}, into a fusion; frozen if so set."""
    for stream, folder in folders.items():
        trained = {layer.name: layer for layer in keras.saving.load_model(folder / "model.keras").layers}
        for layer in network.layers:
            if layer.name.startswith(f"{stream}_") and layer.name in trained:  # not what mixes the streams
                layer.set_weights(trained[layer.name].get_weights())
                layer.trainable = settings["fusion"]["encoders"] != "frozen"


_last = {}  # the network that was compiled last, and what for


def compile_or_reuse(network, train, steps):
    """Compiles a network for a training of `steps` batches, or reuses the last one if it has the same architecture.

    Compiling takes seconds, and the folds of a cross-validation differ in values alone.

    Returns: keras.Model, compiled, with `network`'s initial weights and a fresh optimiser.
    """
    steps = steps if train.schedule == "cosine" else 0  # what is constant needs no compiling for folds of other sizes
    made_of = (network.to_json(), [layer.trainable for layer in network.layers], train, steps, runtime.devices())
    if _last.get("made_of") != made_of:
        sharing = keras.distribution.distribution()
        keras.backend.clear_session()
        keras.distribution.set_distribution(sharing)  # which a new session forgets
        network.compile(optimiser(train, steps), loss(train), metrics=["accuracy"])
        network.optimizer.build(network.trainable_variables)
        start = [keras.ops.convert_to_numpy(variable) for variable in network.optimizer.variables]
        _last.update(made_of=made_of, network=network, start=start)
        return network
    again = _last["network"]
    variables = [*again.variables, *again.optimizer.variables]
    for variable, value in zip(variables, [*network.variables, *_last["start"]], strict=True):
        variable.assign(value)
    return again


def loss(train):
    """Cross-entropy (2.11) for the labels that `FeatureSet.batches` gives."""
    if train.mixup or train.label_smoothing:
        return keras.losses.CategoricalCrossentropy(label_smoothing=train.label_smoothing)
    return "sparse_categorical_crossentropy"


def optimiser(train, steps):
    """The configured optimiser, its learning rate schedule over `steps` batches."""
    rate = train.learning_rate
    if train.schedule == "cosine":
        rising = round(train.warm_up * steps)
        start = rate * 0.05 if rising else rate
        target = {"warmup_target": rate, "warmup_steps": rising} if rising else {}
        rate = keras.optimizers.schedules.CosineDecay(start, steps - rising, **target)
    options = {"global_clipnorm": train.clip_norm or None}
    if train.optimiser == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9, **options)
    if train.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=train.weight_decay, **options)
    return keras.optimizers.Adam(rate, **options)


def build(features, rows, settings):
    """The configured model in the configured precision, its normalisation fitted on `rows`."""
    streams = [stream for stream in ("video", "audio") if settings[stream]]
    normalisation = {stream: features.normalisation(rows, stream) for stream in streams}
    dims = {stream: getattr(features, stream).shape[-1] for stream in streams}
    return assemble(settings, dims, normalisation, settings["train"]["precision"])


def assemble(settings, dims, normalisation, precision="float32"):
    """Builds the model of config.json's content, not compiled, in a Keras dtype policy.

    `dims` is {stream: features a frame}, `normalisation` {stream: (mean, variance), each (dim,)}.
    """
    kind, options = settings["model"], {"n_classes": len(settings["classes"])}
    parts = {stream: SubsystemConfig(**settings[stream]) for stream in dims}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        if kind == "fusion":
            options |= {"fusion": FusionConfig(**settings["fusion"]), "normalisation": normalisation}
            return models.fusion_model(dims["video"], dims["audio"], **parts, **options)
        make = models.video_subsystem if kind == "video" else models.audio_subsystem
        return make(dims[kind], parts[kind], normalisation=normalisation[kind], **options)
    finally:
        keras.config.set_dtype_policy(before)


def hold_out(features, rows, settings):
    """Splits a validation part off the training rows, by actor where the protocol is speaker-independent."""
    from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

    share = settings["train"]["validation"]
    if not share:
        return rows, rows[:0]
    options = {"test_size": share, "random_state": settings["seed"]}
    if settings["protocol"] == "random":
        fit, held = next(StratifiedShuffleSplit(1, **options).split(rows, features.label[rows]))
    else:
        fit, held = next(GroupShuffleSplit(1, **options).split(rows, groups=features.actor[rows]))
    return rows[fit], rows[held]


class ResumeCallback(keras.callbacks.Callback):
    """Records each epoch, moves the bar, stops early, and saves the state to resume from.

    Keras' BackupAndRestore forgets the epochs before it and EarlyStopping's patience; a resumed fold must end as one
    that was never interrupted.
    """

    def __init__(self, path, fold, bar, patience=0, key=""):
        super().__init__()
        self.path, self.fold, self.bar, self.patience, self.key = pathlib.Path(path), fold, bar, patience, key
        self.rows, self.best, self.since, self.best_weights = [], np.inf, 0, None
        self.saved = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = round(time.perf_counter() - self.started, 3)
        self.rows.append({"fold": self.fold, "epoch": epoch + 1, **(logs or {}), "seconds": seconds})
        self.bar.set_postfix(fold=self.fold, loss=f"{logs['loss']:.3f}", accuracy=f"{logs['accuracy']:.2f}")
        self.bar.update()
        if self.patience:
            self.since += 1
            if logs["val_loss"] < self.best:
                self.best, self.since, self.best_weights = logs["val_loss"], 0, self.model.get_weights()
            if self.since >= self.patience:
                self.model.stop_training = True
        if time.perf_counter() - self.saved >= STATE_EVERY:
            self.save()

    def save(self):
        """Writes everything that the next epoch depends on."""
        arrays = {f"v{n}": np.asarray(v) for n, v in enumerate(self._variables())}
        arrays |= {f"w{n}": w for n, w in enumerate(self.best_weights or [])}
        about = {"rows": self.rows, "best": float(self.best), "since": self.since, "key": self.key}
        try:
            with runtime.replacing(self.path) as file:
                np.savez(file, about=np.array(json.dumps(about)), **arrays)
        except OSError as error:
            warnings.warn(f"fold {self.fold} goes on, but its state could not be saved: {error}", stacklevel=2)
        self.saved = time.perf_counter()

    def restore(self, network, batches):
        """Restores the state an earlier process saved; returns the number of epochs that are done."""
        self.set_model(network)
        if not self.path.is_file():
            return 0
        variables = self._variables()
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                if about.get("key", self.key) != self.key:  # an earlier version's has none
                    raise ValueError(f"it is of another configuration, {about['key']} and not {self.key}")
                values = [stored[f"v{number}"].reshape(variable.shape) for number, variable in enumerate(variables)]
                weights = [name for name in stored.files if name.startswith("w")]
                self.best_weights = [stored[f"w{n}"] for n in range(len(weights))] or None
            self.rows, self.best, self.since = about["rows"], about["best"], about["since"]
        except (ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile) as error:
            self.best_weights = None
            warnings.warn(f"{self.path} cannot be used ({error}): fold {self.fold} begins anew", stacklevel=2)
            return 0
        for variable, value in zip(variables, values):
            variable.assign(value)
        batches.epoch = len(self.rows)
        batches.arrange()
        self.bar.update(len(self.rows))
        stopped = self.patience and self.since >= self.patience
        return 10**9 if stopped else len(self.rows)

    def _variables(self):
        """The variables of the model, its random generators and its optimiser."""
        self.model.optimizer.build(self.model.trainable_variables)
        return [*self.model.variables, *self.model.optimizer.variables]

    def restore_best(self):
        """After early stopping, restores the weights of the epoch with the lowest validation loss."""
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)
