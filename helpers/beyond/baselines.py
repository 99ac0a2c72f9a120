"""Classical baselines: one row of features a clip, and an SVM or LDA."""

import pathlib

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from helpers import runtime
from helpers.beyond import speaker_normalisation
from helpers.data import ravdess
from helpers.training.cross_validation import CVResult


def cross_validate(
    values,
    table,
    protocol="luna2022",
    n_folds=10,
    *,
    classifier=None,
    identify_speaker=False,
    name="baseline",
    parts=None,
):
    """Trains and tests a classifier on every fold.

    Args:
        values: (N, D), a row a clip; or (N, V, D) with V versions of each clip: all are trained on, and a test clip's
            probabilities are the mean over its versions (test-time augmentation).
        table: DataFrame with clip_id, actor and label, in the same order, and perhaps emotion, whose categories are
            the classes; else RAVDESS'.
        classifier: scikit-learn classifier with a decision_function; `svm()` by default.
        identify_speaker: normalise each clip by the training clips of its speaker. A test clip's is predicted by an LDA
            trained on the training speakers, with the accuracy that the summary calls `identified`.
        parts: list of (train, test) index arrays, folds of one's own; `protocol` is then only their name, and rows in
            no test are left out.
    Returns: CVResult without files. Its probabilities, the softmax of the classifier's scores, are not calibrated.
    """
    classifier, label, actor = classifier or svm(), table.label.to_numpy(), table.actor.to_numpy()
    classes = tuple(table.emotion.cat.categories) if hasattr(table.get("emotion"), "cat") else ravdess.EMOTIONS
    probabilities, fold_of = np.zeros((len(table), len(classes))), np.zeros(len(table), dtype=int)
    identified = np.zeros(len(table), dtype=actor.dtype)
    parts = parts or ravdess.folds(table, protocol, n_folds, seed=0)
    for number, (train, test) in enumerate(runtime.bar(parts, name, "fold"), start=1):
        fold_of[test] = number
        train_values, test_values = values[train], values[test]
        if identify_speaker:
            means = values if values.ndim == 2 else values.mean(axis=1)
            identified[test] = lda().fit(means[train], actor[train]).predict(means[test])
            reference = (train_values, actor[train])
            test_values = speaker_normalisation.z_scores(test_values, identified[test], reference)
            train_values = speaker_normalisation.z_scores(*reference)
        probabilities[test] = _probabilities(classifier, train_values, label[train], test_values, len(classes))
    rows = table[["clip_id", "actor", "label"]].reset_index(drop=True)
    rows["prediction"], rows["fold"] = probabilities.argmax(axis=1), fold_of
    rows[[f"p_{emotion}" for emotion in classes]] = probabilities
    rows = rows[fold_of > 0].reset_index(drop=True)
    about = {"model": name, "protocol": protocol, "seed": 0, "folds_planned": int(fold_of.max())}
    about |= {"backend": "scikit-learn"}
    about |= {"identified": float((identified == actor)[fold_of > 0].mean())} if identify_speaker else {}
    return CVResult(rows, pd.DataFrame(), classes, about, pathlib.Path())


def svm(C=3.0):
    """Support vector machine with Gaussian kernel over standardised features."""
    return make_pipeline(StandardScaler(), SVC(C=C, gamma="scale"))


def lda(shrinkage=0.5):
    """Linear discriminant analysis with a shrunk covariance, which allows more features than clips."""
    return make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage))


def _probabilities(classifier, train_values, label, test_values, classes):
    """(n, C): softmax of the fitted classifier's scores, averaged over the versions of a clip."""
    versions = train_values.shape[1] if train_values.ndim == 3 else 1
    classifier.fit(train_values.reshape(len(train_values) * versions, -1), np.repeat(label, versions))
    scores = np.full((len(test_values) * versions, classes), -np.inf)
    found = classifier.decision_function(test_values.reshape(len(scores), -1))
    scores[:, classifier.classes_] = found if found.ndim == 2 else np.stack([-found, found], axis=1) / 2  # of two
    return softmax(scores, axis=1).reshape(len(test_values), versions, -1).mean(axis=1)
