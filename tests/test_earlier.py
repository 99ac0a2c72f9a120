"""Finished runs and an exported file as an earlier version left them in tests/earlier: they keep loading."""

import json
import pathlib

import keras
import numpy as np
import pytest

from helpers.predict import predictor as predict
from helpers.training import cross_validation

EARLIER = pathlib.Path(__file__).parent / "earlier"
ANSWERS = json.loads((EARLIER / "answers.json").read_text())  # what that version answered to `clips`


def clips(streams):
    """Three clips' features, the same everywhere: {"video": (3, 5, 512), "video_length": (3,), …}."""
    shapes = {"video": (3, 5, 512), "audio": (3, 7, 13)}
    inputs = {s: np.sin(np.arange(np.prod(shapes[s]))).reshape(shapes[s]).astype("float32") for s in streams}
    return inputs | {f"{stream}_length": np.array([5, 3, 4], "int32") for stream in streams}


@pytest.mark.parametrize("name", ANSWERS["predictors"])
def test_an_earlier_run_or_exported_file_loads_and_answers_as_it_did(name):
    predictor = predict.Predictor.load(EARLIER / name)
    answers = ANSWERS["predictors"][name]
    assert set(predictor.models) == set(answers) and predictor.trained_on == "", "which was not recorded then"
    for kind, answer in answers.items():
        model = predictor.models[kind]
        assert np.allclose(model.answer(clips(model.streams))[0], answer, atol=1e-4), kind


@pytest.mark.parametrize("name", ANSWERS["fold_1"])
def test_an_earlier_folds_own_model_file_loads_through_the_layers_registered_names(name):
    result = cross_validation.load(EARLIER / name)
    assert result.classes == ("calm", "happy") and result.summary()["n"] == len(result.predictions)
    model = keras.saving.load_model(EARLIER / name / "fold_1" / "model.keras")
    probabilities = model.predict(clips(cross_validation.MODELS[result.about["model"]]), verbose=0)
    assert np.allclose(probabilities, ANSWERS["fold_1"][name], atol=1e-4)
