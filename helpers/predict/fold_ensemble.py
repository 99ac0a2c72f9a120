"""Finished cross-validations as models that answer: the folds' networks as one, and a fusion's subsystems."""

import dataclasses
import functools
import json
import logging
import pathlib
import threading

import numpy as np

from helpers import config, runtime
from helpers.config import AudioConfig, VideoConfig
from helpers.evaluation import calibration
from helpers.features.clip import Preprocessing
from helpers.predict import windows
from helpers.training import cross_validation

DEFAULT_THRESHOLD = 0.5  # where there are no predictions to take one from

# TensorFlow takes several models that are compiled once each for one that is compiled again and again.
logging.getLogger("tensorflow").addFilter(lambda record: "triggered tf.function retracing" not in record.getMessage())


@dataclasses.dataclass(frozen=True)
class FoldEnsemble:
    """A trained model: one network that takes the weights of each of its folds in turn."""

    settings: dict  # config.json's content
    summary: dict  # summary.json's content
    folds: tuple  # the folds' numbers
    weights: list  # for each fold a list of float32 arrays, as the network's `get_weights` gives them
    network: object  # keras.Model
    temperature: float | None  # calibrates its probabilities (see `calibration`); None where it could not be fitted
    threshold: float  # the model abstains where its largest probability is not above it
    _lock: object = dataclasses.field(default_factory=threading.Lock, repr=False)
    _held: list = dataclasses.field(default_factory=lambda: [None], repr=False)  # the weights that the network holds

    @property
    def streams(self):
        """The modalities it needs."""
        return cross_validation.MODELS[self.settings["model"]]

    @functools.cached_property
    def _with_attention(self):
        from helpers.models import subsystems

        return subsystems.attention_of(self.network)

    def answers(self, clip, parts):
        """`answer` for windows of a clip: (float64 (n, C), {modality: list of n arrays (T,)})."""
        rows, attention = [], {}
        for inputs, count in windows.batches(clip, parts, self.streams):
            probabilities, weights = self.answer(inputs)
            rows += list(probabilities[:count])
            for stream, curves in weights.items():
                attention.setdefault(stream, []).extend(curves[:count])
        return rows, attention

    def answer(self, inputs):
        """The mean of the folds' answers to {"video": (n, Tv, D), "video_length": (n,), …}, each at its temperature.

        Returns: (probabilities, attention): float64 (n, C), and {modality: float32 (n, T)} of those with attention.
        """
        answers = []
        with self._lock:  # one network serves all folds
            for weights in self.weights:
                if self._held[0] is not weights:
                    self._held[0] = None  # until all of them are in place
                    self.network.set_weights(weights)
                    self._held[0] = weights
                # Compiled once a shape, and without the making of a data set that `predict` costs each time.
                answers.append(self._with_attention.predict_on_batch(inputs))
        means = {name: np.mean([np.asarray(answer[name]) for answer in answers], axis=0) for name in answers[0]}
        means.pop("emotion")
        probabilities = [calibration.apply(answer["emotion"], self.temperature or 1.0) for answer in answers]
        return np.mean(probabilities, axis=0), {s.removesuffix("_attention"): mean for s, mean in means.items()}


def network(settings, dims):
    """An untrained keras.Model as config.json describes it, in float32, for features of {modality: numbers a frame}."""
    from helpers.training import fold

    dims = {stream: dims[stream] for stream in cross_validation.MODELS[settings["model"]]}
    normalisation = {s: (np.zeros(dim, "float32"), np.ones(dim, "float32")) for s, dim in dims.items()}
    return fold.assemble(settings, dims, normalisation)


def load_with_subsystems(folder, fold=None):
    """Loads a run's model, of one fold or of all, and for a fusion its subsystems' where they lie beside it.

    Returns:
        (models, preprocessing, warnings): {kind: FoldEnsemble}, the run's own first; Preprocessing; list of sentences.
    Raises FileNotFoundError, ValueError: no finished run; no such fold, or networks that do not fit the preprocessing.
    """
    folder = pathlib.Path(folder)
    preprocessing, warnings = preprocessing_of(folder), []
    model = _load(folder, preprocessing, fold)
    models = {model.settings["model"]: model}
    if preprocessing.assumed:
        warnings.append(f"{folder.name} does not say how its features were made: the thesis' preprocessing is assumed.")
    for stream in model.streams if "fusion" in models else ():
        place = _subsystem_folder(folder, stream)
        why = _mismatch(folder, place, fold) if place else "is not beside it"
        if why:
            warnings.append(f"The fusion's {stream} subsystem {why}: no probabilities of {stream} alone.")
        else:
            models[stream] = _load(place, preprocessing, fold)
    return models, preprocessing, warnings


def _load(folder, preprocessing, fold):
    """The FoldEnsemble of one run's folder.

    Temperature and threshold come from test predictions of networks that had not seen the clips: those of all folds,
    or for one fold's model those of the others, which it was trained on but which answered as it would.
    """
    predictions = cross_validation.load(folder).predictions
    settings, summary = config.read(folder / "config.json"), json.loads((folder / "summary.json").read_text())
    there = sorted(predictions.fold.unique().tolist())
    if fold is not None and fold not in there:
        raise ValueError(f"{folder} has the folds {', '.join(map(str, there))}; there is no fold {fold}")
    folds = tuple(there) if fold is None else (fold,)
    model, weights = network(settings, preprocessing.dims), []
    for number in runtime.bar(folds, folder.name, "fold"):
        try:
            model.load_weights(folder / f"fold_{number}" / "model.keras")
        except ValueError as error:
            what = f"{folder} was trained on features that its preprocessing does not make"
            why = " ".join(str(error).split())[:200]
            raise ValueError(f"{what}, so that it cannot predict a clip: {why}") from error
        weights.append(model.get_weights())
    others = predictions if len(folds) > 1 else predictions[predictions.fold != folds[0]]
    temperature, threshold = None, DEFAULT_THRESHOLD
    if len(others):
        temperature = calibration.temperature(others, settings["classes"])
        threshold = calibration.threshold(others, settings["classes"], temperature)
    return FoldEnsemble(settings, summary, folds, weights, model, temperature, threshold)


def preprocessing_of(folder):
    """How the features of a finished run were made: Preprocessing, the thesis' where the run does not say."""
    folder = cross_validation.load(folder).out
    if (path := folder / "preprocessing.json").is_file():
        return config.read_json(path, {}, "train that model again", Preprocessing.of)
    streams = cross_validation.MODELS[config.read(folder / "config.json")["model"]]
    thesis = {"video": VideoConfig(), "audio": AudioConfig()}
    return Preprocessing(**{stream: thesis[stream] for stream in streams}, assumed=True)


def _subsystem_folder(folder, stream):
    """In the fusion's folder, if its encoders came from there, else beside it: runs/demo/video-actor. Path or None."""
    folder = folder.absolute()
    places = [folder / stream, folder.with_name(folder.name.replace("fusion", stream))]
    return next((place for place in places if place != folder and (place / "summary.json").is_file()), None)


def _mismatch(fusion, subsystem, fold):
    """Why the subsystem in a folder does not go with a fusion, "" where it does."""
    results = [cross_validation.load(folder) for folder in (fusion, subsystem)]
    if results[0].classes != results[1].classes:
        return "has other emotions"
    tables = [result.predictions[["clip_id", "label", "fold"]].sort_values("clip_id") for result in results]
    first, second = (table[(table.fold == fold) | (fold is None)].to_numpy().tolist() for table in tables)
    if first != second:
        return "was trained on other folds"
    made, other = preprocessing_of(fusion).as_dict(), preprocessing_of(subsystem).as_dict()
    if any(other[name] and other[name] != made[name] for name in ("video", "vgg16", "audio")):
        return "was trained on features that were made in another way"
    return ""
