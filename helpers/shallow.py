"""Models without depth: a row of numbers a clip, a support vector machine a stream, and a fusion that weighs them.

The measure for anything deeper: what a network does not beat was not worth its training.
"""

import pathlib

import numpy as np

from helpers import calibration, ravdess
from helpers.training import CVResult

INNER = 5  # parts of the training rows that a temperature is fitted on


def cross_validate(streams, table, protocol="luna2022", n_folds=10, seed=0, *, penalty=None):
    """Tests every stream alone, and their fusion, on every fold.

    The fusion is late and calibrated: the product of the streams' probabilities, each at its temperature. That is
    fitted on the training rows alone, each scored by a machine that had not seen it (nor, in the actor-wise
    protocols, its actor).

    Args:
        streams: {name: (N, D)}; with more than one there is a "fusion" as well.
        table: DataFrame with clip_id, actor and label.
        protocol, n_folds, seed: as in `ravdess.folds`.
        penalty: {name: C of the support vector machine}, 3 by default.

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
            machine = _machine((penalty or {}).get(name, 3.0))
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


def _machine(penalty):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=penalty, gamma="scale"))


def _chances(machine, known, label, asked):
    """Softmax of the scores (n, C) that the machine, fitted on the known rows, gives the others."""
    from scipy.special import softmax

    scores = machine.fit(known, label).decision_function(asked)
    found = np.full((len(asked), len(ravdess.EMOTIONS)), -np.inf)
    found[:, machine.classes_] = scores
    return softmax(found, axis=1)


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
