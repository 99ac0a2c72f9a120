"""Several models that were tested on the same folds, as one: an ensemble, or the late fusion of two streams."""

import numpy as np

from helpers import calibration
from helpers.training import CVResult


def combine(results, name="fusion"):
    """The product of the models' probabilities, clip by clip, each at its own temperature.

    A product is what independent witnesses add up to; the temperature keeps one that is too sure of itself from
    drowning the rest. That of a fold is fitted on the other folds' test clips: its own decide nothing about it.

    Args:
        results: list of CVResult on the same clips, folds and classes.
        name: the combined model's, in its summary.

    Returns:
        CVResult; its `out` is the first one's, its history empty.

    Raises:
        ValueError: none, or results of other clips, folds or classes; says which.
    """
    import pandas as pd

    if not results:
        raise ValueError("nothing to combine: give one result at least")
    first, columns = results[0], ["clip_id", "actor", "label", "fold"]
    rows = first.predictions.sort_values("clip_id", ignore_index=True)
    logs = np.zeros((len(rows), len(first.classes)))
    for number, result in enumerate(results):
        own = result.predictions.sort_values("clip_id", ignore_index=True)
        if result.classes != first.classes or not own[columns].equals(rows[columns]):
            raise ValueError(
                f"result {number + 1} of {len(results)} was tested on other clips, folds or classes than the first: "
                "only what no model saw in training may be combined"
            )
        logs += np.log(_calibrated(own, first.classes))
    chances = calibration.apply(np.exp(logs - logs.max(axis=1, keepdims=True)), 1.0)
    found = rows[columns].assign(prediction=chances.argmax(axis=1))
    for number, emotion in enumerate(first.classes):
        found[f"p_{emotion}"] = chances[:, number]
    about = first.about | {"model": name, "combined": [result.about["model"] for result in results]}
    about.pop("parameters", None)
    return CVResult(found, pd.DataFrame(), first.classes, about, first.out)


def _calibrated(predictions, classes):
    """float64 (N, C): each fold's probabilities at the temperature of all the others'."""
    fold = predictions.fold.to_numpy()
    found = predictions[[f"p_{name}" for name in classes]].to_numpy()
    if len(np.unique(fold)) > 1:
        warmth = {k: calibration.temperature(predictions[fold != k], classes) for k in np.unique(fold)}
        found = np.stack([calibration.apply(row, warmth[k]) for row, k in zip(found, fold)])
    return np.maximum(found, 1e-12)
