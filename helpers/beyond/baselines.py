"""Models without depth: a row of numbers a clip and one classifier.

The measure for anything deeper: what a network does not beat was not worth its training.
"""

import pathlib

import numpy as np

from helpers.beyond import speaker_normalisation
from helpers.data import ravdess
from helpers.training.cross_validation import CVResult


def cross_validate(
    values, table, protocol="luna2022", n_folds=10, seed=0, *, classifier=None, identify_speaker=False, name="baseline"
):
    """Trains and tests a classifier on every fold.

    Args:
        values: (N, D), a row a clip. (N, V, D) holds V versions of each clip: all of them are learnt from, and a clip's
            answer is the mean of its versions'.
        table: DataFrame with clip_id, actor and label, in the same order.
        protocol, n_folds, seed: as in `ravdess.folds`.
        classifier: `svm(…)` (the default), `lda(…)` or another scikit-learn classifier with a
            decision_function.
        identify_speaker: measure each clip against the training clips of its person, by their mean and spread. Whose a test
            clip is, a classifier says that knows the training's voices: in the actor-wise protocols, whom of those it is
            most like. The summary's `identified` is the share of the clips for which it is right.
        name: the model's, in its summary.

    Returns:
        CVResult, stored nowhere. Its probabilities are the softmax of the machine's scores: which is the largest means
        something, how much larger it is only after `ensemble.combine` or `calibration.temperature`.
    """
    import pandas as pd

    classifier, label, person = classifier or svm(), table.label.to_numpy(), table.actor.to_numpy()
    probabilities, fold_of = np.zeros((len(table), len(ravdess.EMOTIONS))), np.zeros(len(table), dtype=int)
    guessed = np.zeros(len(table), dtype=person.dtype)
    for number, (train, test) in enumerate(ravdess.folds(table, protocol, n_folds, seed), start=1):
        fold_of[test] = number
        known, asked = values[train], values[test]
        if identify_speaker:
            guessed[test] = _who(known, person[train], asked)
            asked = speaker_normalisation.rows(asked, guessed[test], of=(known, person[train]))
            known = speaker_normalisation.rows(known, person[train])
        probabilities[test] = _chances(classifier, known, label[train], asked)
    rows = table[["clip_id", "actor", "label"]].reset_index(drop=True)
    rows["prediction"], rows["fold"] = probabilities.argmax(axis=1), fold_of
    for column, emotion in enumerate(ravdess.EMOTIONS):
        rows[f"p_{emotion}"] = probabilities[:, column]
    about = {"model": name, "protocol": protocol, "seed": seed, "folds_planned": int(fold_of.max())}
    about |= {"backend": "scikit-learn"}
    if identify_speaker:
        about |= {"identified": float((guessed == person).mean())}
    return CVResult(rows, pd.DataFrame(), ravdess.EMOTIONS, about, pathlib.Path())


def svm(penalty=3.0):
    """A support vector classifier with Gaussian kernel over standardised numbers; `penalty` is its C."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=penalty, gamma="scale"))


def lda(shrinkage=0.5):
    """A linear discriminant analysis whose covariance is drawn towards its diagonal: for more numbers than clips."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage))


def _who(known, person, asked):
    """(n,): whom of the known rows' people each asked row is most like, its versions taken together."""
    known, asked = (values if values.ndim == 2 else values.mean(axis=1) for values in (known, asked))
    return lda().fit(known, person).predict(asked)


def _chances(classifier, known, label, asked):
    """Softmax of the scores (n, C) that the classifier, fitted on the known rows, gives the others."""
    from scipy.special import softmax

    versions = known.shape[1] if known.ndim == 3 else 1
    classifier.fit(known.reshape(len(known) * versions, -1), np.repeat(label, versions))
    found = np.full((len(asked) * versions, len(ravdess.EMOTIONS)), -np.inf)
    found[:, classifier.classes_] = classifier.decision_function(asked.reshape(len(found), -1))
    return softmax(found, axis=1).reshape(len(asked), versions, -1).mean(axis=1)
