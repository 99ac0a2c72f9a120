import numpy as np
import pytest

from helpers import robustness, training
from helpers.config import AudioConfig


@pytest.fixture(scope="module")
def run(small_runs):
    return small_runs[0] / "fusion"


def test_undamaged_clips_are_answered_as_in_the_cross_validation(small_runs, run):
    answers = robustness.predictions(run, small_runs[2], lambda inputs: inputs)
    stored = training.load(run).predictions
    assert answers.clip_id.tolist() == stored.clip_id.tolist()
    assert answers.prediction.tolist() == stored.prediction.tolist()


def test_the_table_has_a_row_a_damage_and_what_it_cost(small_runs, run):
    _, clips, features = small_runs
    found = robustness.table(run, features, clips, AudioConfig(), "random").set_index("damage")
    assert found.index.tolist() == [
        "none",
        "white noise, SNR 20 dB",
        "white noise, SNR 10 dB",
        "white noise, SNR 0 dB",
        "half of the frames black",
        "no pictures",
        "no sound",
    ]
    assert found.accuracy["none"] == 100 * training.load(run).summary()["accuracy"] and found.lost["none"] == 0
    assert np.allclose(found.lost, found.accuracy["none"] - found.accuracy)


def test_each_damage_is_what_its_name_says(small_runs):
    _, clips, features = small_runs
    inputs = features.inputs(slice(None), ("video", "audio"))
    gone = robustness.without(inputs, "video")
    assert not gone["video"].any() and not gone["video_length"].any() and gone["audio"] is inputs["audio"]
    dark = robustness._dark(features, "random", 0)(inputs)["video"]
    for row, length in enumerate(inputs["video_length"]):
        changed = (dark[row] != inputs["video"][row]).any(axis=1)
        assert changed.sum() == length // 2 and not changed[length:].any()
    noisy = robustness._noisy(features, clips, AudioConfig(), 0, 0)(inputs)["audio"]
    assert noisy.shape == inputs["audio"].shape and not np.allclose(noisy, inputs["audio"])
    quiet = robustness._noisy(features, clips, AudioConfig(), 90, 0)(inputs)["audio"]
    assert np.abs(quiet - inputs["audio"]).mean() < np.abs(noisy - inputs["audio"]).mean() / 10


@pytest.mark.parametrize("snr", [20, 0])
def test_the_noise_has_the_energy_asked_for(snr):
    tone = np.sin(np.arange(48_000) / 10).astype(np.float32)
    added = robustness.noise(tone, snr, seed=1) - tone
    assert 10 * np.log10(np.mean(tone**2) / np.mean(added**2)) == pytest.approx(snr, abs=0.01)
    assert np.array_equal(added, robustness.noise(tone, snr, seed=1) - tone)
