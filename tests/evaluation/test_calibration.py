import numpy as np
import pandas as pd
import pytest

from helpers.evaluation import calibration, significance

CLASSES = ("calm", "happy", "sad")


def predictions(n=2000, sharpness=1.0, seed=0):
    """Answers of a network that is right as often as it says at sharpness 1, and says more than that above it."""
    rng = np.random.default_rng(seed)
    probabilities = calibration.apply(rng.dirichlet([0.8] * 3, n), 1.0)
    label = np.array([rng.choice(3, p=row) for row in probabilities])
    said = calibration.apply(probabilities, 1 / sharpness)
    table = pd.DataFrame(said, columns=[f"p_{name}" for name in CLASSES])
    return table.assign(label=label, prediction=said.argmax(axis=1), actor=0, fold=1)


def test_the_temperature_undoes_an_over_confident_network():
    table = predictions(sharpness=3)
    temperature = calibration.temperature(table, CLASSES)
    assert 2.6 < temperature < 3.4
    names = [f"p_{name}" for name in CLASSES]
    cooled = table.assign(**dict(zip(names, calibration.apply(table[names], temperature).T)))
    assert significance.ece(table) > 0.1 and significance.ece(cooled) < 0.04


def test_an_honest_network_is_left_about_as_it_is():
    assert 0.9 < calibration.temperature(predictions(), CLASSES) < 1.1


def test_a_network_that_is_always_right_is_sharpened_within_reason():
    table = predictions().assign(label=lambda t: t.prediction)
    assert calibration.temperature(table, CLASSES) == pytest.approx(calibration.RANGE[0], rel=1e-2)


def test_a_temperature_keeps_the_order_and_the_sum_and_one_changes_nothing():
    probabilities = np.random.default_rng(1).dirichlet([0.3] * 5, (4, 7))
    warm = calibration.apply(probabilities, 2.5)
    assert np.allclose(warm.sum(axis=-1), 1) and (warm.argsort(axis=-1) == probabilities.argsort(axis=-1)).all()
    assert np.allclose(calibration.apply(probabilities, 1.0), probabilities, atol=1e-6)
    assert np.allclose(calibration.apply([[1.0, 0.0]], 0.5), [[1, 0]]), "a zero stays finite"


def test_above_the_threshold_answers_are_right_often_enough_and_just_below_they_are_not():
    table = predictions(sharpness=3)
    temperature = calibration.temperature(table, CLASSES)
    at = calibration.threshold(table, CLASSES, temperature, accuracy=0.9)
    confidence = calibration.apply(table[[f"p_{name}" for name in CLASSES]], temperature).max(axis=1)
    right = (table.label == table.prediction).to_numpy()
    assert right[confidence > at].mean() >= 0.9 > right[confidence >= at].mean()
    assert 0.05 < (confidence > at).mean() < 0.8


def test_the_threshold_never_falls_as_more_accuracy_is_asked():
    table = predictions(300)
    found = [calibration.threshold(table, CLASSES, 1.0, accuracy) for accuracy in np.linspace(0, 1, 41)]
    assert found == sorted(found) and found[0] == 0 and found[-1] <= 1


def test_no_answer_is_sure_where_none_deserves_it_or_too_few_are_known():
    table = predictions(200).assign(label=lambda t: (t.prediction + 1) % 3)
    assert calibration.threshold(table, CLASSES) == 1
    few = predictions(9).assign(label=lambda t: t.prediction)
    assert calibration.threshold(few, CLASSES) == 1
    with pytest.raises(ValueError, match="no prediction to calibrate with"):
        calibration.temperature(table.head(0), CLASSES)
