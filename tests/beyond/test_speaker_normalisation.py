import numpy as np
import pytest

from helpers.audio import descriptors
from helpers.beyond import speaker_normalisation
from helpers.config import AudioConfig, SubsystemConfig, TrainConfig
from helpers.features.feature_set import FeatureSet
from helpers.predict import predictor
from helpers.training import cross_validation

AUDIO = AudioConfig(n_mfcc=4, n_mels=8, prosody=True)


@pytest.fixture
def features():
    """Four speakers, each louder and livelier than the one before; two clips of each, of six and four steps."""
    rng, actor = np.random.default_rng(0), np.repeat(np.arange(4), 4)
    audio = rng.normal(size=(16, 6, descriptors.width(AUDIO))) * (1 + actor[:, None, None]) + 5 * actor[:, None, None]
    length = np.tile([6, 4], 8).astype("int32")
    audio[np.arange(6)[None] >= length[:, None]] = 0
    return FeatureSet(
        clip_id=np.array([f"clip{n:02}" for n in range(16)]),
        label=np.tile([0, 0, 1, 1], 4),
        actor=actor,
        classes=("calm", "happy"),
        audio=audio.astype("float32"),
        audio_length=length,
        preprocessing={"audio": {**vars(AUDIO)}},
    )


def test_each_speakers_rows_have_mean_0_and_standard_deviation_1():
    speaker = np.repeat([3, 9], 20)
    values = np.random.default_rng(0).normal(size=(40, 3)) * speaker[:, None] + speaker[:, None]
    found = speaker_normalisation.z_scores(values, speaker)
    for who in (3, 9):
        assert np.allclose(found[speaker == who].mean(axis=0), 0)
        assert np.allclose(found[speaker == who].std(axis=0), 1, atol=0.01)
    assert np.isfinite(speaker_normalisation.z_scores(np.ones((4, 2)), [1, 1, 2, 2])).all(), (
        "what never changes is no trouble"
    )


def test_rows_are_normalised_by_other_rows_of_the_same_speakers():
    train, test = np.array([[0.0], [2.0], [10.0], [30.0]]), np.array([[3.0], [3.0]])
    found = speaker_normalisation.z_scores(test, [1, 2], reference=(train, [1, 1, 2, 2]))
    assert np.allclose(found.ravel(), [2, -1.7], atol=0.03)


def test_every_speaker_is_moved_to_the_average_speakers_mean_and_standard_deviation(features):
    found = speaker_normalisation.normalised(features)
    there = np.arange(6)[None] < features.audio_length[:, None]
    means = np.array(
        [found.audio[features.actor == who][there[features.actor == who]].mean(axis=0) for who in range(4)]
    )
    assert np.allclose(means, means[0], atol=1e-3) and (found.audio[~there] == 0).all()
    deviations = [found.audio[features.actor == who][there[features.actor == who]][:, :4].std() for who in range(4)]
    assert np.allclose(deviations, deviations[0], rtol=0.02)


def test_cepstra_keep_their_proportions(features):
    one = features.actor == 2
    before, after = features.audio[one][:, 0, :4], speaker_normalisation.normalised(features).audio[one][:, 0, :4]
    ratio = np.diff(after, axis=0) / np.diff(before, axis=0)
    assert np.allclose(ratio, ratio[0, 0], rtol=1e-3)


def test_a_model_with_per_speaker_normalisation_refuses_to_predict_one_clip(features, tmp_path):
    tiny = SubsystemConfig(units=4, fc_units=4)
    options = {"out": tmp_path / "audio", "train": TrainConfig(epochs=1, batch_size=4), "progress": False}
    result = cross_validation.cross_validate(
        speaker_normalisation.normalised(features), "audio", "actor", 2, audio=tiny, **options
    )
    with pytest.raises(ValueError, match="trained with per-speaker normalisation"):
        predictor.Predictor.load(result.out, fold=1)
