"""Several models that were tested on the same folds, as one: an ensemble, or the late fusion of two streams."""

import numpy as np
from scipy.special import logsumexp, softmax

from helpers.training.cross_validation import CVResult

LEAST = 1e-6  # a probability below this counts as this: one model's 0 is no veto
HIGHEST = 10.0  # where every answer is right, the likelihood knows no highest power


def combine(results, name="fusion", fit=True):
    """The product of the models' probabilities, clip by clip, each to a power of its own.

    A pool of opinions (Genest & Zidek 1986, "Combining probability distributions"): the power keeps a model that is too
    sure of itself from drowning the rest, and models that say much the same from counting as so many witnesses. Those
    of a fold make the labels of the other folds' test clips most likely: its own clips are not among them. (The models
    that answered there had learnt from them, as in any stacking of one cross-validation; powers that are all alike are
    free of even that.) With one fold they are all alike.

    Args:
        results: list of CVResult on the same clips, folds and classes.
        name: the combined model's, in its summary.
        fit: False gives every model the same power.

    Returns:
        CVResult; its `out` is the first one's, its history empty, its summary's `powers` the mean over the folds.

    Raises:
        ValueError: none, or results of other clips, folds or classes; says which.
    """
    import pandas as pd

    if not results:
        raise ValueError("nothing to combine: give one result at least")
    first, columns = results[0], ["clip_id", "actor", "label", "fold"]
    rows = first.predictions.sort_values("clip_id", ignore_index=True)
    logs = np.zeros((len(results), len(rows), len(first.classes)))
    for number, result in enumerate(results):
        own = result.predictions.sort_values("clip_id", ignore_index=True)
        if result.classes != first.classes or not own[columns].equals(rows[columns]):
            raise ValueError(
                f"result {number + 1} of {len(results)} was tested on other clips, folds or classes than the first: "
                "only what no model saw in training may be combined"
            )
        logs[number] = np.log(np.maximum(own[[f"p_{emotion}" for emotion in first.classes]], LEAST))
    label, fold = rows.label.to_numpy(), rows.fold.to_numpy()
    powers, probabilities = [], np.zeros(logs.shape[1:])
    for k in np.unique(fold):
        others = (fold != k) & fit
        powers.append(_powers(logs[:, others], label[others]))
        probabilities[fold == k] = softmax(np.tensordot(powers[-1], logs[:, fold == k], 1), axis=1)
    found = rows[columns].assign(prediction=probabilities.argmax(axis=1))
    for number, emotion in enumerate(first.classes):
        found[f"p_{emotion}"] = probabilities[:, number]
    about = first.about | {"model": name, "combined": [result.about["model"] for result in results]}
    about |= {"powers": np.mean(powers, axis=0).round(3).tolist()}
    about.pop("parameters", None)
    return CVResult(found, pd.DataFrame(), first.classes, about, first.out)


def _powers(logs, label):
    """float64 (M,), none below 0: those with which `label` (N,) is most likely under `logs` (M, N, C)."""
    from scipy.optimize import minimize

    models, clips, _ = logs.shape
    start = np.full(models, 1 / models)
    if not clips:
        return start
    right = logs[:, np.arange(clips), label]  # (M, N)

    def loss(powers):
        pooled = np.tensordot(powers, logs, 1)
        away = np.einsum("mnc,nc->mn", logs, softmax(pooled, axis=1)) - right
        return (logsumexp(pooled, axis=1) - powers @ right).mean(), away.mean(axis=1)

    return minimize(loss, start, jac=True, bounds=[(0, HIGHEST)] * models, method="L-BFGS-B").x
