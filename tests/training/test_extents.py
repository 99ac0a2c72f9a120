import dataclasses

import numpy as np
import pytest

from helpers import runtime, training
from helpers.features.feature_set import FeatureSet

REAL = FeatureSet(
    clip_id=np.arange(1440).astype(str),
    label=np.zeros(1440, dtype=np.int64),
    actor=np.zeros(1440, dtype=np.int64),
    classes=("calm",),
    video=np.zeros((1440, 39, 1), dtype=np.float32),
    video_length=np.full(1440, 39),
    audio=np.zeros((1440, 122, 1), dtype=np.float32),
    audio_length=np.full(1440, 122),
    data="ravdess",
)


def on(monkeypatch, device):
    monkeypatch.setattr(runtime, "accelerator", lambda: device)
    monkeypatch.setattr(runtime, "workers", lambda: 2)


@pytest.mark.parametrize("model", ["video", "audio", "fusion"])
def test_on_a_cpu_auto_is_one_fold_and_the_epochs_that_end_in_time(monkeypatch, capsys, model):
    on(monkeypatch, "CPU")
    epochs, folds = training.extent("auto", "auto", REAL, model)
    assert 5 <= epochs < 60 and folds == 1
    assert "For the whole set EPOCHS = 60 and RUN_FOLDS = None" in capsys.readouterr().out
    assert training.extent("auto", None, REAL, model) == (epochs, None), "so that the finished fold is kept"


def test_on_an_accelerator_auto_is_two_folds_with_all_epochs(monkeypatch, capsys):
    on(monkeypatch, "GPU")
    assert training.extent("auto", "auto", REAL, "fusion") == (60, 2)
    assert capsys.readouterr().out.endswith("For the whole set RUN_FOLDS = None\n")


def test_given_numbers_are_taken_and_the_whole_is_called_that(monkeypatch, capsys):
    on(monkeypatch, "CPU")
    assert training.extent(7, 3, REAL, "audio") == (7, 3)
    assert training.extent(60, None, REAL, "audio") == (60, None)
    assert "Nothing is shortened: 60 epochs, all folds" in capsys.readouterr().out


def test_few_synthetic_clips_take_less_and_are_given_less(monkeypatch):
    on(monkeypatch, "CPU")
    few = dataclasses.replace(REAL, data="synthetic").subset(np.arange(192))
    assert training.extent("auto", "auto", few, "audio")[0] <= 60
    assert training.extent("auto", "auto", dataclasses.replace(REAL, data="synthetic"), "audio")[0] < 5
