import dataclasses

import numpy as np
import pytest

from helpers.beyond import cross_corpus
from helpers.config import SubsystemConfig, TrainConfig
from helpers.features.feature_set import FeatureSet
from helpers.training import cross_validation

TINY = SubsystemConfig(cell="none", units=6, fc_units=6)
TRAIN = TrainConfig(epochs=15, batch_size=8, learning_rate=0.02)


def data_set(classes, seed, steps=5, **changes):
    """Clips whose mean tells the emotions apart in every data set."""
    rng = np.random.default_rng(seed)
    label = np.arange(36) % len(classes)
    means = {"calm": 0, "happy": 3, "sad": -3, "bored": 6}
    audio = rng.normal(size=(36, steps, 2)) + np.array([means[name] for name in classes])[label][:, None, None]
    fields = {
        "clip_id": np.array([f"clip{n:02}" for n in range(36)]),
        "label": label,
        "actor": np.arange(36) // 6,
        "classes": classes,
        "audio": audio.astype("float32"),
        "audio_length": np.full(36, steps, "int32"),
    }
    return FeatureSet(**fields | changes)


@pytest.fixture
def both():
    return data_set(("calm", "happy", "sad"), 0), data_set(("sad", "bored", "calm"), 1, steps=9)


def test_the_emotions_both_have_are_kept_and_mean_the_same(both):
    features, [(train, test)] = cross_corpus.joined(*both)
    assert features.classes == ("calm", "sad") and len(features) == 24 + 24
    assert features.audio.shape == (48, 9, 2) and (features.audio[train, 5:] == 0).all()
    average = features.audio[np.arange(48)[:, None], :4].mean(axis=(1, 2, 3))
    assert average[features.label == 0].min() > average[features.label == 1].max()
    assert len(train) == len(test) == 24


def test_two_actors_with_one_number_stay_two_and_so_do_two_clips_with_one_name(both):
    features, [(train, test)] = cross_corpus.joined(*both)
    assert not set(features.actor[train]) & set(features.actor[test])
    assert len(set(features.clip_id)) == 48


def test_a_model_of_one_data_set_is_tested_on_every_clip_of_the_other(both, tmp_path):
    result = cross_corpus.cross_validate(
        *both, "audio", audio=TINY, train=TRAIN, out=tmp_path / "cross-corpus", progress=False
    )
    summary = result.summary()
    assert (summary["n"], summary["folds"], summary["protocol"]) == (24, 1, "cross-corpus")
    assert all(name.startswith("other-") for name in result.predictions.clip_id) and summary["accuracy"] > 0.9
    assert summary["interval_by"] == "actor"
    again = cross_corpus.cross_validate(
        *both, "audio", audio=TINY, train=TRAIN, out=tmp_path / "cross-corpus", progress=False
    )
    assert again.predictions.equals(result.predictions)


def test_the_other_way_round_is_another_run(both, tmp_path):
    options = {"audio": TINY, "train": dataclasses.replace(TRAIN, epochs=1), "progress": False}
    first = cross_corpus.cross_validate(*both, "audio", out=tmp_path / "run", **options)
    other = cross_corpus.cross_validate(*both[::-1], "audio", out=tmp_path / "run", **options)
    assert first.out == other.out and len(list(tmp_path.glob("run*"))) == 2, "put aside, not mistaken"


def test_data_sets_that_do_not_go_together_are_refused(both):
    source, target = both
    with pytest.raises(ValueError, match="share 1 emotions"):
        cross_corpus.joined(source, data_set(("bored", "sad"), 2))
    with pytest.raises(ValueError, match="made in two ways"):
        cross_corpus.joined(source, dataclasses.replace(target, preprocessing={"audio": {"n_mfcc": 2}}))
    made = {"audio": {"n_mfcc": 2}}
    source = dataclasses.replace(source, preprocessing=made)
    target = dataclasses.replace(target, preprocessing=made | {"video": {"fps": 5}, "vgg16": "random"})
    assert cross_corpus.joined(source, target)[0].streams == ("audio",), "the video, which one lacks, may differ"
    video = dataclasses.replace(
        target, video=target.audio, video_length=target.audio_length, audio=None, audio_length=None
    )
    with pytest.raises(ValueError, match="one data set has audio alone and the other video alone"):
        cross_corpus.joined(source, video)


def test_folds_of_ones_own_are_trained_as_given_and_checked_like_any(both, tmp_path):
    features = both[0]
    parts = [(np.flatnonzero(features.actor < 4), np.flatnonzero(features.actor >= 4))]
    options = {"audio": TINY, "train": dataclasses.replace(TRAIN, epochs=1), "progress": False, "out": tmp_path / "run"}
    result = cross_validation.cross_validate(features, "audio", "the last two", parts=parts, **options)
    assert set(result.predictions.actor) == {4, 5}
    leaking = [(np.arange(30), np.arange(28, 36))]
    with pytest.raises(ValueError, match="on both sides"):
        cross_validation.cross_validate(features, "audio", "leaking", parts=leaking, **options)
