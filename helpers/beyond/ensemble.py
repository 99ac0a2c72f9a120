"""Ensembles and late fusion of models tested on the same folds."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from helpers.training.cross_validation import CVResult

LEAST = 1e-6  # floor of the probabilities: one model's 0 is no veto
HIGHEST = 10.0  # of a weight: where every prediction is right, the likelihood has no maximum


def combine(results, name="fusion", fit=True):
    """Combines models by log-linear pooling: the product of their probabilities, each to the power of its weight.

    After Genest & Zidek 1986, "Combining probability distributions". A fold's weights maximise the likelihood of the
    other folds' labels, never of its own. (The models tested in those folds were trained on its clips, as in any
    stacking of one cross-validation; equal weights, and those of a single fold, are free of even that.)

    `results` are CVResults on the same clips, folds and classes; fit=False gives equal weights.

    Returns:
        CVResult, `out` the first one's, without history; its summary's `combined` has the models' names and
        `pooling_weights` the mean of their weights over the folds.
    Raises ValueError: no result, or results of other clips, folds or classes; says which.
    """
    if not results:
        raise ValueError("nothing to combine: give one result at least")
    first, columns = results[0], ["clip_id", "actor", "label", "fold"]
    names = [f"p_{emotion}" for emotion in first.classes]
    rows = first.predictions.sort_values("clip_id", ignore_index=True)
    logs = np.zeros((len(results), len(rows), len(first.classes)))
    for number, result in enumerate(results):
        own = result.predictions.sort_values("clip_id", ignore_index=True)
        if result.classes != first.classes or not own[columns].equals(rows[columns]):
            raise ValueError(
                f"result {number + 1} of {len(results)} was tested on other clips, folds or classes than the first: "
                "only out-of-fold predictions of the same folds can be combined"
            )
        logs[number] = np.log(np.maximum(own[names], LEAST))
    label, fold = rows.label.to_numpy(), rows.fold.to_numpy()
    weights, probabilities = [], np.zeros(logs.shape[1:])
    for k in np.unique(fold):
        others = (fold != k) & fit
        weights.append(_pooling_weights(logs[:, others], label[others]))
        probabilities[fold == k] = softmax(np.tensordot(weights[-1], logs[:, fold == k], 1), axis=1)
    pooled = rows[columns].assign(prediction=probabilities.argmax(axis=1))
    pooled[names] = probabilities
    about = {key: value for key, value in first.about.items() if key != "parameters"}
    about |= {"model": name, "combined": [result.about["model"] for result in results]}
    about |= {"pooling_weights": np.mean(weights, axis=0).round(3).tolist()}
    return CVResult(pooled, pd.DataFrame(), first.classes, about, first.out)


def _pooling_weights(logs, label):
    """float64 (M,), from 0 to HIGHEST: with them `label` (N,) is most likely under `logs` (M, N, C)."""
    models, clips, _ = logs.shape
    start = np.full(models, 1 / models)
    if not clips:
        return start
    right = logs[:, np.arange(clips), label]  # (M, N)

    def loss(weights):
        pooled = np.tensordot(weights, logs, 1)
        gradient = np.einsum("mnc,nc->mn", logs, softmax(pooled, axis=1)) - right
        return (logsumexp(pooled, axis=1) - weights @ right).mean(), gradient.mean(axis=1)

    return minimize(loss, start, jac=True, bounds=[(0, HIGHEST)] * models, method="L-BFGS-B").x
