"""Models without depth: a row of numbers a clip and one machine.

The measure for anything deeper: what a network does not beat was not worth its training.
"""

import pathlib

import numpy as np

from helpers.beyond import speaker_normalisation
from helpers.data import ravdess
from helpers.training.cross_validation import CVResult


def cross_validate(
    values, table, protocol="luna2022", n_folds=10, seed=0, *, machine=None, recognise=False, name="shallow"
):
    """Trains and tests a machine on every fold.

    Args:
        values: (N, D), a row a clip. (N, V, D) holds V versions of each clip: all of them are learnt from, and a clip's
            answer is the mean of its versions'.
        table: DataFrame with clip_id, actor and label, in the same order.
        protocol, n_folds, seed: as in `ravdess.folds`.
        machine: `support_vectors(…)` (the default), `discriminant(…)` or another scikit-learn classifier with a
            decision_function.
        recognise: measure each clip against the training clips of its person, by their mean and spread. Whose a test
            clip is, a machine says that knows the training's voices: in the actor-wise protocols, whom of those it is
            most like. The summary's `recognised` is the share of the clips for which it is right.
        name: the model's, in its summary.

    Returns:
        CVResult, stored nowhere. Its probabilities are the softmax of the machine's scores: which is the largest means
        something, how much larger it is only after `ensemble.combine` or `calibration.temperature`.
    """
    import pandas as pd

    machine, label, person = machine or support_vectors(), table.label.to_numpy(), table.actor.to_numpy()
    chances, fold_of = np.zeros((len(table), len(ravdess.EMOTIONS))), np.zeros(len(table), dtype=int)
    guessed = np.zeros(len(table), dtype=person.dtype)
    for number, (train, test) in enumerate(ravdess.folds(table, protocol, n_folds, seed), start=1):
        fold_of[test] = number
        known, asked = values[train], values[test]
        if recognise:
            guessed[test] = _who(known, person[train], asked)
            asked = speaker_normalisation.rows(asked, guessed[test], of=(known, person[train]))
            known = speaker_normalisation.rows(known, person[train])
        chances[test] = _chances(machine, known, label[train], asked)
    rows = table[["clip_id", "actor", "label"]].reset_index(drop=True)
    rows["prediction"], rows["fold"] = chances.argmax(axis=1), fold_of
    for column, emotion in enumerate(ravdess.EMOTIONS):
        rows[f"p_{emotion}"] = chances[:, column]
    about = {"model": name, "protocol": protocol, "seed": seed, "folds_planned": int(fold_of.max())}
    about |= {"backend": "scikit-learn"}
    if recognise:
        about |= {"recognised": float((guessed == person).mean())}
    return CVResult(rows, pd.DataFrame(), ravdess.EMOTIONS, about, pathlib.Path())


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


def _who(known, person, asked):
    """(n,): whom of the known rows' people each asked row is most like, its versions taken together."""
    known, asked = (values if values.ndim == 2 else values.mean(axis=1) for values in (known, asked))
    return discriminant().fit(known, person).predict(asked)


def _chances(machine, known, label, asked):
    """Softmax of the scores (n, C) that the machine, fitted on the known rows, gives the others."""
    from scipy.special import softmax

    versions = known.shape[1] if known.ndim == 3 else 1
    machine.fit(known.reshape(len(known) * versions, -1), np.repeat(label, versions))
    found = np.full((len(asked) * versions, len(ravdess.EMOTIONS)), -np.inf)
    found[:, machine.classes_] = machine.decision_function(asked.reshape(len(found), -1))
    return softmax(found, axis=1).reshape(len(asked), versions, -1).mean(axis=1)
