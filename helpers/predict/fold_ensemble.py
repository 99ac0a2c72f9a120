"""A trained model, ready to answer: the networks of its folds as one."""

import dataclasses
import functools
import logging
import threading

import numpy as np

from helpers.evaluation import calibration
from helpers.training import cross_validation


@dataclasses.dataclass(frozen=True)
class FoldEnsemble:
    """One model.

    Attributes:
        settings: config.json's content.
        summary: summary.json's content.
        folds: the numbers of the folds that are here.
        weights: a list of float32 arrays for each, as the network's `get_weights` gives them.
        network: keras.Model that takes them, one fold's after the other.
        temperature: that makes its confidence believable, see `calibration`; None where it could not be fitted.
        threshold: confidence above which an answer counts as sure.
    """

    settings: dict
    summary: dict
    folds: tuple
    weights: list
    network: object
    temperature: float | None
    threshold: float
    _one_at_a_time: object = dataclasses.field(default_factory=threading.Lock, repr=False)
    _held: list = dataclasses.field(default_factory=lambda: [None], repr=False)  # the weights that the network holds

    @property
    def streams(self):
        """The streams it needs."""
        return cross_validation.MODELS[self.settings["model"]]

    @functools.cached_property
    def _looking(self):
        from helpers.models import subsystems

        return subsystems.attention_of(self.network)

    def answer(self, inputs):
        """The mean of the folds' answers, each at the model's temperature.

        Args:
            inputs: {"video": (n, Tv, D), "video_length": (n,), …}, the streams it needs.

        Returns:
            (probabilities, attention): float64 (n, C), and {stream: float32 (n, T)} of the streams with attention.
        """
        answers = []
        with self._one_at_a_time:  # one network serves all folds
            for weights in self.weights:
                if self._held[0] is not weights:
                    self.network.set_weights(weights)
                    self._held[0] = weights
                # Compiled once a shape, and without the making of a data set that `predict` costs each time.
                answers.append(self._looking.predict_on_batch(inputs))
        probabilities = [calibration.apply(answer["emotion"], self.temperature or 1.0) for answer in answers]
        looks = {name.removesuffix("_attention") for name in answers[0] if name != "emotion"}
        attention = {s: np.mean([np.asarray(answer[f"{s}_attention"]) for answer in answers], axis=0) for s in looks}
        return np.mean(probabilities, axis=0), attention


def network(settings, dims):
    """A model of the configured shape, in float32 whatever it was trained in.

    Args:
        settings: config.json's content.
        dims: {stream: numbers a frame}, at least of the model's streams.

    Returns:
        keras.Model, not compiled, with weights that mean nothing.
    """
    import keras

    from helpers.training import fold

    logging.getLogger("tensorflow").addFilter(_is_news)
    dims = {stream: dims[stream] for stream in cross_validation.MODELS[settings["model"]]}
    normalisation = {s: (np.zeros(dim, "float32"), np.ones(dim, "float32")) for s, dim in dims.items()}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        return fold.assemble(settings, dims, normalisation)
    finally:
        keras.config.set_dtype_policy(before)


def _is_news(record):
    # TensorFlow takes several models that are compiled once each for one that is compiled again and again.
    return "triggered tf.function retracing" not in record.getMessage()
