import numpy as np
import pandas as pd
import pytest

from helpers.beyond import baselines, ensemble, speaker_normalisation
from helpers.data import ravdess


@pytest.fixture(scope="module")
def crowd():
    """Twelve actors, each emotion four times, and two modalities: each tells half of the emotions apart, and every
    speaker has a voice and a face of their own."""
    rng, rows = np.random.default_rng(0), []
    for actor in range(1, 13):
        rows += [(f"{actor}-{label}-{n}", actor, label) for label in range(8) for n in range(4)]
    table = pd.DataFrame(rows, columns=["clip_id", "actor", "label"])
    own = rng.normal(0, 6, (13, 4))[table.actor]
    streams = {
        "video": np.eye(4)[table.label // 2] * 3 + own + rng.normal(0, 0.7, (len(table), 4)),
        "audio": np.eye(4)[table.label % 4] * 3 - own + rng.normal(0, 0.7, (len(table), 4)),
    }
    return table, streams


def predictions(streams, table, folds=3):
    """Each modality's result and their late fusion."""
    results = {name: baselines.cross_validate(values, table, "actor", folds) for name, values in streams.items()}
    return results | {"fusion": ensemble.combine(list(results.values()))}


def test_the_fusion_is_better_than_either_modality_and_better_still_with_per_speaker_normalisation(crowd):
    table, streams = crowd
    uar = {}
    for person in (False, True):
        rows = {name: speaker_normalisation.z_scores(x, table.actor) if person else x for name, x in streams.items()}
        uar[person] = {name: result.summary()["uar"] for name, result in predictions(rows, table).items()}
    assert (
        uar[True]["fusion"] > 0.9 > max(uar[True]["video"], uar[True]["audio"])
        and uar[True]["fusion"] > uar[False]["fusion"]
    )


def test_a_result_is_like_any_other_cross_validations(crowd):
    table, streams = crowd
    classifier = baselines.svm(1.0)
    result = baselines.cross_validate(streams["audio"], table, "random", 4, classifier=classifier, name="audio")
    rows = result.predictions
    assert rows.clip_id.tolist() == table.clip_id.tolist() and sorted(rows.fold.unique()) == [1, 2, 3, 4]
    probabilities = rows[[f"p_{name}" for name in ravdess.EMOTIONS]].to_numpy()
    assert np.allclose(probabilities.sum(axis=1), 1) and (probabilities.argmax(axis=1) == rows.prediction).all()
    assert result.summary()["protocol"] == "random" and result.summary()["n"] == len(table)


def test_two_classes_of_ones_own_are_told_apart_in_folds_that_leave_clips_out(crowd):
    table, streams = crowd
    own = table.assign(label=table.label % 2, emotion=pd.Categorical.from_codes(table.label % 2, ["bored", "angry"]))
    rows = np.arange(len(own))
    parts = [(rows[rows % 3 != 0], rows[rows % 3 == 0]), (rows[rows % 3 != 1], rows[rows % 3 == 1])]
    result = baselines.cross_validate(streams["audio"], own, "mine", parts=parts)
    assert result.classes == ("bored", "angry") and len(result.predictions) == (rows % 3 != 2).sum()
    summary = result.summary()
    assert summary["folds"] == 2 and summary["accuracy"] > 0.8
    assert np.allclose(result.predictions[["p_bored", "p_angry"]].sum(axis=1), 1)


def test_a_classifier_trains_on_each_version_of_a_clip_and_predicts_their_mean(crowd):
    table, streams = crowd
    rows, random = speaker_normalisation.z_scores(streams["audio"], table.actor), np.random.default_rng(1)
    versions = np.stack([rows + random.normal(0, 1, rows.shape) for _ in range(4)], axis=1)
    uar = {
        name: baselines.cross_validate(rows, table, "actor", 3).summary()["uar"]
        for name, rows in (("one", versions[:, 0]), ("four", versions))
    }
    assert uar["four"] > uar["one"] + 0.01
    same = np.repeat(streams["audio"][:, None], 3, axis=1)  # thrice the same says nothing new
    plain, thrice = (
        baselines.cross_validate(rows, table, "actor", 3, classifier=baselines.lda()).predictions
        for rows in (streams["audio"], same)
    )
    assert (plain.prediction == thrice.prediction).mean() > 0.98


def test_lda_learns_from_fewer_clips_than_features(crowd):
    table, streams = crowd
    noise = np.random.default_rng(2).normal(size=(len(table), 500))
    rows = np.concatenate([*normalised_rows(streams, table), noise], axis=1)
    result = baselines.cross_validate(rows, table, "actor", 3, classifier=baselines.lda(0.5))
    assert result.summary()["uar"] > 0.5  # 1/8 at random


def normalised_rows(streams, table):
    return [speaker_normalisation.z_scores(values, table.actor) for values in streams.values()]


def test_speaker_identification_helps_and_never_looks_at_a_test_clips_actor(crowd):
    table, streams = crowd
    options = {"protocol": "random", "n_folds": 4, "classifier": baselines.lda()}
    plain = baselines.cross_validate(streams["audio"], table, **options).summary()["uar"]
    identified = baselines.cross_validate(streams["audio"], table, identify_speaker=True, **options)
    assert identified.summary()["uar"] > plain + 0.05 and identified.summary()["identified"] > 0.9
    test = (identified.predictions.fold == 1).to_numpy()
    unknown = table.assign(actor=np.where(test, 99, table.actor))
    again = baselines.cross_validate(streams["audio"], unknown, identify_speaker=True, **options).predictions
    assert (again.prediction[test] == identified.predictions.prediction[test]).all()


def test_the_labels_of_the_test_fold_change_no_prediction_in_it(crowd):
    table, streams = crowd
    before = baselines.cross_validate(streams["audio"], table, "actor", 3).predictions
    test = (before.fold == 1).to_numpy()
    # Each actor's labels move round by one: the folds stay, every label of the first one is wrong.
    wrong = table.assign(label=np.where(test, (table.label + 1) % 8, table.label))
    after = baselines.cross_validate(streams["audio"], wrong, "actor", 3).predictions
    assert (after.fold == before.fold).all()
    assert (after.prediction[test] == before.prediction[test]).all()
    assert (after.prediction[~test] != before.prediction[~test]).any()
