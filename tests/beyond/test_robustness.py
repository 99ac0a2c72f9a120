import dataclasses

import numpy as np
import pytest

from helpers.beyond import robustness
from helpers.config import AudioConfig
from helpers.training import cross_validation


@pytest.fixture(scope="module")
def run(small_runs):
    return small_runs[0] / "fusion"


def test_clean_clips_are_predicted_as_in_the_cross_validation(small_runs, run):
    answers = robustness.predictions(run, small_runs[2], small_runs[2].inputs())
    stored = cross_validation.load(run).predictions
    assert answers.clip_id.tolist() == stored.clip_id.tolist()
    assert answers.prediction.tolist() == stored.prediction.tolist()


@pytest.fixture(scope="module")
def corruptions(small_runs):
    _, clips, features = small_runs
    return robustness.corrupted(features, clips, AudioConfig(), "random")


def test_the_table_has_a_row_a_corruption_and_what_it_cost(small_runs, run, corruptions):
    found = robustness.table(run, small_runs[2], corruptions).set_index("corruption")
    assert found.index.tolist() == [
        "none",
        "white noise, SNR 20 dB",
        "white noise, SNR 10 dB",
        "white noise, SNR 0 dB",
        "half of the frames black",
        "without video",
        "without audio",
    ]
    assert found.accuracy["none"] == 100 * cross_validation.load(run).summary()["accuracy"] and found.lost["none"] == 0
    assert np.allclose(found.lost, found.accuracy["none"] - found.accuracy)


def test_each_corruption_is_what_its_name_says(corruptions):
    inputs, gone = corruptions["none"], corruptions["without video"]
    assert not gone["video"].any() and not gone["video_length"].any() and gone["audio"] is inputs["audio"]
    dark = corruptions["half of the frames black"]["video"]
    for row, length in enumerate(inputs["video_length"]):
        changed = (dark[row] != inputs["video"][row]).any(axis=1)
        assert changed.sum() == length // 2 and not changed[length:].any()
    far = [np.abs(corruptions[f"white noise, SNR {snr} dB"]["audio"] - inputs["audio"]).mean() for snr in (20, 10, 0)]
    assert 0 < far[0] < far[1] < far[2]


def test_a_video_of_one_step_has_no_frames_that_could_go_black(small_runs):
    _, clips, features = small_runs
    single = dataclasses.replace(features, video=features.video[:, :1], video_length=np.ones(len(features), "int32"))
    assert "half of the frames black" not in robustness.corrupted(single, clips, AudioConfig())


@pytest.mark.parametrize("snr", [20, 0])
def test_the_noise_has_the_energy_asked_for(snr):
    tone = np.sin(np.arange(48_000) / 10).astype(np.float32)
    added = robustness.noise(tone, snr, seed=1) - tone
    assert 10 * np.log10(np.mean(tone**2) / np.mean(added**2)) == pytest.approx(snr, abs=0.01)
    assert np.array_equal(added, robustness.noise(tone, snr, seed=1) - tone)
