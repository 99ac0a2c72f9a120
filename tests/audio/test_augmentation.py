import dataclasses

import numpy as np
import pytest

from helpers.audio import augmentation, descriptors
from helpers.config import AudioConfig, TrainConfig
from helpers.features.feature_set import FeatureSet

AUDIO = AudioConfig(rate=24_000, n_mfcc=39, n_fft=1536, hop_length=480, n_mels=64, pre_emphasis=0.0, prosody=True)
TIMES = np.arange(AUDIO.rate) / AUDIO.rate


def vowel(formants, pitch=150):
    """A second of a voice whose spectrum has peaks at the formants, in Hz."""
    partials = np.arange(pitch, 8000, pitch)
    loudness = sum(np.exp(-(((partials - hz) / 150) ** 2)) for hz in formants) + 1e-3
    return 0.02 * (loudness[:, None] * np.sin(2 * np.pi * partials[:, None] * TIMES)).sum(axis=0)


def features(samples):
    return descriptors.features(samples, AUDIO.rate, AUDIO)[0]


def bands(values):
    """Mel bands in dB, as far as 39 coefficients know them."""
    return values[..., descriptors.columns(AUDIO)["mfcc"]] @ augmentation.cosines(AUDIO.n_mels, AUDIO.n_mfcc)


def changed(values, seed=0, **train):
    changer = augmentation.Augmentation(TrainConfig(**train), AUDIO)
    length = np.full(len(values), values.shape[1])
    return changer.apply(values, length, np.random.default_rng(seed))


def test_vtlp_does_what_a_shorter_vocal_tract_does():
    matrices, factors = augmentation.vtlp_matrices(AUDIO.rate, AUDIO.n_mels, AUDIO.n_mfcc, 0.12)
    factor, matrix = factors[-1], matrices[-1]
    assert (factors[0], factors[6], factor) == pytest.approx((1 / 1.12, 1, 1.12))
    long, short = (features(vowel((hz,)))[5:-5].mean(axis=0) for hz in (1200, 1200 * factor))
    perturbed = bands(matrix @ long[:39])
    assert perturbed.argmax() == bands(short).argmax() != bands(long).argmax()
    low = slice(0, 50)  # above, the harmonics end: what is moved from there is nothing
    assert np.abs(perturbed - bands(short))[low].mean() < 0.5 * np.abs(bands(long) - bands(short))[low].mean()
    assert np.allclose(matrices[6], np.eye(39), atol=1e-5)


def test_the_pitch_moves_with_the_formants():
    values = features(vowel((700, 1800)))[None].repeat(20, axis=0)
    found = changed(values, vtlp=0.12)
    pitch = np.exp(np.median(found[:, :, descriptors.columns(AUDIO)["prosody"].start], axis=1))
    assert 150 / 1.13 < pitch.min() < 142 and 158 < pitch.max() < 150 * 1.13
    assert np.abs(found - values)[:, :, 40:].max() == 0, "the other descriptors stay"


def test_channel_augmentation_changes_gain_smooth_curves_and_the_energy():
    values = features(vowel((700, 1800)))[None].repeat(200, axis=0)
    moved = bands(changed(values, channel_augmentation=2.0)) - bands(values)  # (200, T, 64), dB
    assert np.allclose(moved, moved[:, :1], atol=1e-3), "the same over a whole clip"
    assert 1.5 < moved.mean(axis=(1, 2)).std() < 2.5
    energy = changed(values, channel_augmentation=2.0)[:, 0, 41] - values[:, 0, 41]
    assert np.allclose(energy * 10 / np.log(10), moved[:, 0].mean(axis=1), atol=1e-3)


def test_noise_augmentation_lifts_soft_bands_and_leaves_loud_ones():
    values = features(np.concatenate([vowel((700, 1800)), 1e-4 * vowel((700, 1800))]))[None]
    before, after = bands(values)[0], bands(changed(values, noise_augmentation=1.0))[0]
    assert after[60:].mean() > before[60:].mean() + 5
    loud = np.unravel_index(before.argmax(), before.shape)
    assert after[loud] == pytest.approx(before[loud], abs=1.5)


def test_time_masking_covers_two_spans_at_most_and_never_the_whole_clip():
    values = np.random.default_rng(0).normal(size=(50, 20, descriptors.width(AUDIO))).astype("float32")
    length = np.tile([2, 20], 25)
    values[np.arange(20)[None] >= length[:, None]] = 0
    changer = augmentation.Augmentation(TrainConfig(time_mask_width=8))
    found = changer.apply(values, length, np.random.default_rng(0))
    blank = (found != values).any(axis=2).sum(axis=1)
    assert (blank[length == 2] <= 2).all() and 0 < blank[length == 20].max() <= 16
    assert (found[length == 2, 2:] == 0).all()


def test_a_time_shift_moves_a_clip_and_repeats_its_edge():
    values, length = np.zeros((50, 9, 2), "float32"), np.tile([1, 7], 25)
    for row, steps in zip(values, length):
        row[:steps] = np.arange(1, steps + 1)[:, None]
    found = augmentation.Augmentation(TrainConfig(time_shift=2)).apply(values, length, np.random.default_rng(0))
    assert np.array_equal(found[length == 1], values[length == 1])
    seen = {tuple(row.astype(int)) for row in found[length == 7, :7, 0]}
    assert seen == {
        (1, 1, 1, 2, 3, 4, 5),
        (1, 1, 2, 3, 4, 5, 6),
        (1, 2, 3, 4, 5, 6, 7),
        (2, 3, 4, 5, 6, 7, 7),
        (3, 4, 5, 6, 7, 7, 7),
    }
    assert (found[length == 7, 7:] == 0).all()


def test_padding_stays_zero_and_the_given_batch_as_it_was():
    values = features(vowel((700, 1800)))[None].repeat(3, axis=0)
    before, length = values.copy(), np.array([5, 20, 40])
    changer = augmentation.Augmentation(
        TrainConfig(vtlp=0.1, channel_augmentation=2, noise_augmentation=1.0, time_mask_width=4, time_shift=3), AUDIO
    )
    found = changer.apply(values, length, np.random.default_rng(0))
    assert np.array_equal(values, before)
    for row, steps in zip(found, length):
        assert (row[steps:] == 0).all() and (row[:steps] != 0).any()


def test_features_that_do_not_say_how_they_were_made_are_refused():
    with pytest.raises(ValueError, match="vtlp changes the cepstra's bands"):
        augmentation.Augmentation(TrainConfig(vtlp=0.1))


@pytest.fixture
def feature_set():
    rng = np.random.default_rng(0)
    return FeatureSet(
        clip_id=np.array([f"clip{n}" for n in range(8)]),
        label=np.arange(8) % 2,
        actor=np.arange(8),
        classes=("calm", "happy"),
        audio=rng.normal(size=(8, 6, descriptors.width(AUDIO))).astype("float32"),
        audio_length=np.full(8, 6, "int32"),
        preprocessing={"audio": dataclasses.asdict(AUDIO)},
    )


def test_training_clips_are_augmented_differently_each_epoch_and_test_clips_never(feature_set):
    train, rows = TrainConfig(vtlp=0.1, channel_augmentation=2.0), np.arange(8)
    batches = feature_set.batches(rows, 8, seed=0, train=train)
    first = batches[0][0]["audio"]
    assert np.array_equal(first, feature_set.batches(rows, 8, seed=0, train=train)[0][0]["audio"])
    batches.on_epoch_end()
    assert not np.allclose(first, batches[0][0]["audio"])
    test = feature_set.batches(rows, 8, train=train)[0][0]["audio"]
    assert np.array_equal(test, feature_set.audio)


def test_labels_become_one_hot_for_label_smoothing_and_soft_for_mixup(feature_set):
    rows = np.arange(8)
    assert feature_set.batches(rows, 8)[0][1].tolist() == [0, 1] * 4
    smooth = feature_set.batches(rows, 8, train=TrainConfig(label_smoothing=0.1))[0][1]
    assert smooth.tolist() == [[1, 0], [0, 1]] * 4, "the loss softens them"
    inputs, label = feature_set.batches(rows, 8, seed=0, train=TrainConfig(mixup=0.5))[0]
    assert np.allclose(label.sum(axis=1), 1) and (label.max(axis=1) >= 0.5).all() and (label.max(axis=1) < 1).any()
    assert not np.allclose(inputs["audio"], feature_set.audio)


def test_a_mixed_clip_is_as_long_as_the_longer_and_softly_ends_in_the_shorter_ones_mean():
    values = np.zeros((2, 4, 1), "float32")
    values[0, :2], values[1] = 1.0, 3.0
    given = {"audio": values, "audio_length": np.array([2, 4])}
    seed = next(n for n in range(99) if np.random.default_rng(n).permutation(2)[0] == 1)
    found, label = augmentation.mixup(given, np.eye(2), 0.5, np.random.default_rng(seed))
    assert found["audio_length"].tolist() == [4, 4]
    share = label[0, 0]
    assert np.allclose(found["audio"][0, :, 0], share * 1 + (1 - share) * 3)
