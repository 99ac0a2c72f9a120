import numpy as np
import pytest

from helpers.models.linear import LinearClassifier

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(3, 2, (50, 6))


def classifier(temperature=1.0):
    arrays = {"mean": ROWS.mean(0), "scale": ROWS.std(0), "weights": RANDOM.normal(size=(6, 3)), "offset": np.arange(3)}
    return LinearClassifier(**arrays, temperature=temperature)


def test_a_linear_classifier_is_scikit_learns():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(ROWS)
    model = LogisticRegression().fit(scaler.transform(ROWS), np.arange(50) % 3)
    ours = LinearClassifier(scaler.mean_, scaler.scale_, model.coef_.T, model.intercept_, 1.0)
    assert np.allclose(ours.probabilities(ROWS), model.predict_proba(scaler.transform(ROWS)), atol=1e-5)


def test_a_temperature_changes_the_confidence_and_no_answer():
    one = classifier()
    two = LinearClassifier(one.mean, one.scale, one.weights, one.offset, 2.0)
    assert (one.probabilities(ROWS).argmax(1) == two.probabilities(ROWS).argmax(1)).all()
    assert (one.probabilities(ROWS).max(1) > two.probabilities(ROWS).max(1)).all()
    assert two.probabilities(ROWS).sum(axis=1) == pytest.approx(1)


def test_a_classifier_is_taken_out_of_a_file_of_arrays(tmp_path):
    one = classifier(1.5)
    arrays = {f"audio/{name}": value for name, value in vars(one).items()}
    np.savez(tmp_path / "arrays.npz", **arrays | {"audio/weights": one.weights.astype(np.float16)})
    with np.load(tmp_path / "arrays.npz", allow_pickle=False) as file:
        half = LinearClassifier.of(file, "audio")
    assert np.allclose(half.probabilities(ROWS), one.probabilities(ROWS), atol=5e-3)
