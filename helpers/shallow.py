"""Models without depth: a row of numbers a clip, a machine a stream, and a fusion that weighs them.

The measure for anything deeper: what a network does not beat was not worth its training.
"""

import pathlib

import numpy as np

from helpers import calibration, ravdess
from helpers.training import CVResult

INNER = 5  # parts of the training rows that a temperature is fitted on


def cross_validate(streams, table, protocol="luna2022", n_folds=10, seed=0, *, machines=None):
    """Tests every stream alone, and their fusion, on every fold.

    The fusion is late and calibrated: the product of the streams' probabilities, each at its temperature. That is
    fitted on the training rows alone, each scored by a machine that had not seen it (nor, in the actor-wise
    protocols, its actor).

    Args:
        streams: {name: (N, D)}; with more than one there is a "fusion" as well. (N, V, D) holds V versions of each
            clip: all of them are learnt from, and a clip's answer is the mean of its versions'.
        table: DataFrame with clip_id, actor and label.
        protocol, n_folds, seed: as in `ravdess.folds`.
        machines: {name: `support_vectors(…)`, `discriminant(…)` or another scikit-learn classifier with a
            decision_function}; `support_vectors()` by default.

    Returns:
        {name: CVResult}; their `out` is None.
    """
    from scipy.special import softmax

    label, count = table.label.to_numpy(), len(ravdess.EMOTIONS)
    names = [*streams, *(["fusion"] if len(streams) > 1 else [])]
    chances = {name: np.zeros((len(table), count)) for name in names}
    fold_of = np.zeros(len(table), dtype=int)
    for number, (train, test) in enumerate(ravdess.folds(table, protocol, n_folds, seed), start=1):
        fold_of[test] = number
        inner = ravdess.folds(table.iloc[train], "random" if protocol == "random" else "actor", INNER, seed)
        logs = np.zeros((len(test), count))
        for name, rows in streams.items():
            machine = (machines or {}).get(name) or support_vectors()
            seen = np.zeros((len(train), count))
            for known, left in inner:
                seen[left] = _chances(machine, rows[train[known]], label[train[known]], rows[train[left]])
            warmth = calibration.temperature(_frame(seen, label[train]), ravdess.EMOTIONS)
            asked = _chances(machine, rows[train], label[train], rows[test])
            chances[name][test] = calibration.apply(asked, warmth)
            logs += np.log(np.maximum(chances[name][test], 1e-12))
        if len(streams) > 1:
            chances["fusion"][test] = softmax(logs, axis=1)
    about = {"protocol": protocol, "seed": seed, "folds_planned": fold_of.max(), "backend": "scikit-learn"}
    return {name: _result(table, found, fold_of, about | {"model": name}) for name, found in chances.items()}


def support_vectors(penalty=3.0):
    """A support vector machine with Gaussian kernel over standardised numbers; `penalty` is its C."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=penalty, gamma="scale"))


def discriminant(shrinkage=0.5):
    """A linear discriminant analysis whose covariance is drawn towards its diagonal: for more numbers than clips."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage))


def _chances(machine, known, label, asked):
    """Softmax of the scores (n, C) that the machine, fitted on the known rows, gives the others."""
    from scipy.special import softmax

    versions = known.shape[1] if known.ndim == 3 else 1
    machine.fit(known.reshape(len(known) * versions, -1), np.repeat(label, versions))
    found = np.full((len(asked) * versions, len(ravdess.EMOTIONS)), -np.inf)
    found[:, machine.classes_] = machine.decision_function(asked.reshape(len(found), -1))
    return softmax(found, axis=1).reshape(len(asked), versions, -1).mean(axis=1)


def _frame(chances, label):
    import pandas as pd

    columns = {f"p_{name}": chances[:, n] for n, name in enumerate(ravdess.EMOTIONS)}
    return pd.DataFrame({"label": label, **columns})


def _result(table, chances, fold, about):
    import pandas as pd

    rows = pd.DataFrame({name: table[name].to_numpy() for name in ("clip_id", "actor", "label")})
    rows["prediction"], rows["fold"] = chances.argmax(axis=1), fold
    rows = pd.concat([rows, _frame(chances, rows.label).drop(columns="label")], axis=1)
    about = {name: int(value) if isinstance(value, np.integer) else value for name, value in about.items()}
    return CVResult(rows, pd.DataFrame(), ravdess.EMOTIONS, about, pathlib.Path())
