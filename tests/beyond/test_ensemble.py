import pathlib

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from helpers.beyond import ensemble
from helpers.training.cross_validation import CVResult

CLASSES = ("calm", "happy", "sad")


def result(seed, right=0.6, confident=1.0, n=300, model="audio"):
    """Predictions that are right at random; `confident` sharpens their probabilities."""
    rng, label = np.random.default_rng(seed), np.arange(n) % 3
    scores = rng.normal(size=(n, 3)) + np.eye(3)[label] * 2 * right
    probabilities = softmax(confident * scores, axis=1)
    rows = pd.DataFrame({"clip_id": [f"clip{i:03}" for i in range(n)], "actor": np.arange(n) // 3 % 10, "label": label})
    rows["prediction"], rows["fold"] = probabilities.argmax(axis=1), np.arange(n) // 3 % 5 + 1
    rows = rows.assign(**{f"p_{name}": probabilities[:, k] for k, name in enumerate(CLASSES)})
    about = {"model": model, "protocol": "actor", "seed": 0, "backend": "jax", "epochs": 1, "folds_planned": 5}
    return CVResult(rows.sample(frac=1, random_state=seed), pd.DataFrame(), CLASSES, about, pathlib.Path())


def accuracy(found):
    return (found.predictions.label == found.predictions.prediction).mean()


def test_models_with_different_errors_are_better_together():
    parts = [result(seed) for seed in range(4)]
    assert accuracy(ensemble.combine(parts)) > max(map(accuracy, parts)) + 0.05


def test_an_overconfident_model_does_not_drown_the_others():
    calm, loud = result(0, right=1.2), result(1, right=0.2, confident=30)
    together = accuracy(ensemble.combine([calm, loud]))
    plain = np.log(probabilities_of(calm)) + np.log(np.maximum(probabilities_of(loud), 1e-12))
    drowned = (plain.argmax(axis=1) == calm.predictions.sort_values("clip_id").label).mean()
    assert together > drowned + 0.2 and together > accuracy(calm) - 0.03
    assert together == accuracy(ensemble.combine([loud, calm])), "nor does their order"


def test_a_model_given_twice_counts_once():
    one, other = result(0), result(1)
    columns = [f"p_{name}" for name in CLASSES]
    once, twice = (ensemble.combine(parts).predictions[columns] for parts in ([one, other], [one, one, one, other]))
    assert np.allclose(once, twice, atol=0.01)


def test_a_useless_model_gets_no_weight_and_with_one_fold_weights_are_equal():
    blind = result(1, right=0)
    assert ensemble.combine([result(0), blind]).summary()["pooling_weights"][1] < 0.1
    parts = [result(0), result(1)]
    for part in parts:
        part.predictions["fold"] = 1
    assert ensemble.combine(parts).summary()["pooling_weights"] == [0.5, 0.5]


def test_weights_that_are_not_fitted_are_equal():
    parts = [result(0), result(1, right=0)]
    assert ensemble.combine(parts, fit=False).summary()["pooling_weights"] == [0.5, 0.5]
    assert accuracy(ensemble.combine(parts)) > accuracy(ensemble.combine(parts, fit=False)) + 0.05


def test_a_folds_own_test_clips_decide_nothing_about_it():
    parts = [result(0), result(1)]
    before = ensemble.combine(parts).predictions
    tampered = parts[1].predictions.copy()
    own = tampered.fold == 3
    tampered.loc[own, "label"] = (tampered.loc[own, "label"] + 1) % 3
    other = parts[0].predictions.copy()
    own = other.fold == 3
    other.loc[own, "label"] = (other.loc[own, "label"] + 1) % 3
    again = [CVResult(rows, *vars_of(part)) for rows, part in zip((other, tampered), parts)]
    after = ensemble.combine(again).predictions
    columns = [f"p_{name}" for name in CLASSES]
    assert np.allclose(before[before.fold == 3][columns], after[after.fold == 3][columns])
    assert not np.allclose(before[before.fold != 3][columns], after[after.fold != 3][columns], atol=1e-6)


def probabilities_of(part):
    return part.predictions.sort_values("clip_id")[[f"p_{name}" for name in CLASSES]].to_numpy()


def vars_of(part):
    return part.history, part.classes, part.about, part.out


def test_the_summary_says_what_was_combined():
    found = ensemble.combine([result(0), result(1, model="video")], "late fusion")
    summary = found.summary()
    assert len(summary["pooling_weights"]) == 2 and all(weight > 0 for weight in summary["pooling_weights"])
    assert (summary["model"], summary["combined"], summary["n"]) == ("late fusion", ["audio", "video"], 300)
    assert np.allclose(found.predictions[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1)


def test_results_of_other_folds_are_refused():
    other = result(1)
    other.predictions["fold"] = 6 - other.predictions.fold
    with pytest.raises(ValueError, match="result 2 of 2 was tested on other clips, folds"):
        ensemble.combine([result(0), other])
    with pytest.raises(ValueError, match="nothing to combine"):
        ensemble.combine([])
