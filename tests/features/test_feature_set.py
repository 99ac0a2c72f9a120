import dataclasses

import numpy as np
import pytest

from helpers import runtime
from helpers.config import TrainConfig
from helpers.data.exclusions import Exclusions
from helpers.features.feature_set import FeatureSet, OnDisk


def small(n=4, **changes):
    rng = np.random.default_rng(0)
    fields = {
        "clip_id": np.array([f"clip{i}" for i in range(n)]),
        "label": np.arange(n) % 2,
        "actor": np.arange(n),
        "classes": ("calm", "happy"),
        "audio": rng.normal(5, 3, (n, 6, 2)).astype("float32"),
        "audio_length": np.arange(1, n + 1, dtype="int32"),
        "excluded": Exclusions([("clip9", "digital silence")]),
    }
    return FeatureSet(**{**fields, **changes})


def test_it_survives_its_file_with_names_and_reasons(tmp_path):
    before = small()
    before.save(tmp_path / "deep" / "set.npz")
    after = FeatureSet.load(tmp_path / "deep" / "set.npz")
    assert after.fingerprint() == before.fingerprint()
    assert after.classes == before.classes and after.excluded == before.excluded and after.video is None
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["set.npz"], "no temporary file is left"


def test_a_file_that_is_something_else_is_refused_and_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "pickled.npz", clip_id=np.array([{"a": 1}], dtype=object))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("pickled.npz", "text.npz"):
        with pytest.raises(ValueError, match="not a FeatureSet"):
            FeatureSet.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        FeatureSet.load(tmp_path / "nowhere.npz")


def test_a_subset_has_the_rows_asked_for():
    part = small().subset(np.array([2, 0]))
    assert part.clip_id.tolist() == ["clip2", "clip0"] and part.audio_length.tolist() == [3, 1] and len(part) == 2


def test_normalisation_uses_the_frames_of_the_given_rows_without_padding():
    audio = np.full((2, 5, 1), 100.0, dtype="float32")
    audio[0, :2, 0] = [1, 3]
    features = small(2, audio=audio, audio_length=np.array([2, 5], dtype="int32"))
    mean, variance = features.normalisation(np.array([0]), "audio")
    assert mean.tolist() == [2] and variance.tolist() == [1]


def test_a_constant_number_is_not_divided_by_nothing():
    features = small(2, audio=np.zeros((2, 5, 1), "float32"))
    assert features.normalisation(np.arange(2), "audio")[1].tolist() == [1]


def test_the_fingerprint_changes_with_any_number_or_label():
    prints = {small().fingerprint(), small(audio=small().audio + 1).fingerprint()}
    prints |= {small(label=1 - small().label).fingerprint(), small(classes=("a", "b")).fingerprint()}
    assert len(prints) == 4


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"audio": None, "audio_length": None}, "both are None"),
        ({"audio_length": np.array([0, 1, 1, 1])}, "no audio frame"),
        ({"label": np.zeros(3)}, "label has 3 rows"),
    ],
)
def test_a_set_that_would_break_a_model_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        small(**changes)


def test_a_folder_leaves_the_features_on_the_disk_and_is_the_same_set(tmp_path):
    before = small(300)
    after = before.save_folder(tmp_path / "set")
    assert isinstance(after.audio, OnDisk) and after.fingerprint() == before.fingerprint()
    assert np.array_equal(after.audio[[5, 3]], before.audio[[5, 3]]) and after.audio.shape == before.audio.shape
    for a, b in zip(after.normalisation(slice(0, 200), "audio"), before.normalisation(slice(0, 200), "audio")):
        assert np.array_equal(a, b)
    assert after.subset([0, 1]).fingerprint() == before.subset([0, 1]).fingerprint()
    assert FeatureSet.load(tmp_path / "set").excluded == before.excluded


def test_a_set_in_the_folder_of_another_has_nothing_of_it(tmp_path):
    first = small(4)
    first = dataclasses.replace(first, video=first.audio, video_length=first.audio_length)
    first.save_folder(tmp_path)
    assert small(4).save_folder(tmp_path).streams == ("audio",)


def test_a_full_disk_is_an_error_before_anything_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="GB do not fit"):
        small(4).save_folder(tmp_path)


def test_batches_hold_every_row_once_an_epoch_in_another_order_each_time():
    features = small(10)
    batches = features.batches(np.arange(2, 10), 3, seed=0)
    orders = []
    for _ in range(2):
        labels = [batches[n] for n in range(len(batches))]
        orders.append(np.concatenate([inputs["audio_length"] for inputs, _ in labels]))
        assert sorted(orders[-1]) == list(range(3, 11)) and len(batches) == 3
        batches.on_epoch_end()
    assert not np.array_equal(*orders)
    (inputs,) = features.batches(np.arange(4), 4, labels=False)[0]
    assert np.array_equal(inputs["audio"], features.audio[:4])


def uneven():
    """400 clips of 50 to 99 steps of ones, padded to 100."""
    length = np.random.default_rng(0).integers(50, 100, 400).astype("int32")
    audio = (np.arange(100) < length[:, None]).astype("float32")[..., None]
    return small(400, audio=audio, audio_length=length)


def test_batches_of_one_length_hold_every_frame_and_less_padding():
    features = uneven()
    batches = features.batches(np.arange(400), 16, seed=0, bucket=True)
    inputs = [batches[n][0] for n in range(len(batches))]
    assert sum(i["audio"].sum() for i in inputs) == features.audio_length.sum()
    assert sum(i["audio"].size for i in inputs) < 0.92 * features.audio.size
    assert len({i["audio"].shape[1] for i in inputs}) <= 3, "few shapes to compile"


def test_on_a_tpu_batches_of_one_length_have_two_lengths_the_same_in_every_fold(monkeypatch):
    monkeypatch.setattr(runtime, "accelerator", lambda: "TPU")
    features = uneven()
    for rows in np.split(np.argsort(features.audio_length), [150])[::-1]:  # a fold of long clips, and one of short ones
        batches = features.batches(rows, 16, seed=0, bucket=True)
        inputs = [batches[n][0]["audio"] for n in range(len(batches))]
        assert sum(i.sum() for i in inputs) == features.audio_length[rows].sum()
        assert {i.shape[1] for i in inputs} <= {75, 100}, "few shapes to compile"
        assert any(i.shape[1] == 75 for i in inputs) or features.audio_length[rows].min() > 75


def test_tempo_perturbation_keeps_a_clips_course_and_gives_another_length_each_epoch():
    length = np.array([20, 40, 60], "int32")
    audio = np.zeros((3, 60, 1), "float32")
    for row, n in zip(audio, length):
        row[:n, 0] = np.linspace(1, 2, n)  # rises from 1 to 2, however fast it is played
    features = small(3, audio=audio, audio_length=length)
    batches, lengths = features.batches(np.arange(3), 3, seed=0, train=TrainConfig(tempo_perturbation=0.2)), []
    for _ in range(5):
        inputs, _ = batches[0]
        for row, n in zip(inputs["audio"], inputs["audio_length"]):
            assert np.allclose(row[:n, 0], np.linspace(1, 2, n), atol=1e-5) and not row[n:].any()
        lengths.append(inputs["audio_length"].tolist())
        batches.on_epoch_end()
    assert (np.array(lengths)[:, 0] != 20).any() and len({tuple(each) for each in lengths}) == 5
    assert all(16 <= a <= 25 and 33 <= b <= 50 and 50 <= c <= 60 for a, b, c in lengths), "never past the longest"
    again = features.batches(np.arange(3), 3, seed=0, train=TrainConfig(tempo_perturbation=0.2))[0][0]
    assert again["audio_length"].tolist() == lengths[0] and features.audio_length.tolist() == [20, 40, 60]
    (plain,) = features.batches(np.arange(3), 3, labels=False, train=TrainConfig(tempo_perturbation=0.2))[0]
    assert np.array_equal(plain["audio"], features.audio), "what is tested is left as it is"


def test_the_preprocessing_and_the_data_sets_name_are_stored_and_change_no_fingerprint(tmp_path):
    made = {"audio": {"rate": 48_000, "n_mfcc": 2}}
    noted = small(preprocessing=made, data="ravdess")
    noted.save(tmp_path / "set.npz")
    noted.save_folder(tmp_path / "set")
    for again in (FeatureSet.load(tmp_path / "set.npz"), FeatureSet.load(tmp_path / "set"), noted.subset([0, 1])):
        assert again.preprocessing == made and again.data == "ravdess"
    assert noted.fingerprint() == small().fingerprint()
    fields = small()._fields()
    np.savez(tmp_path / "earlier.npz", **{name: value for name, value in fields.items() if name != "data"})
    earlier = FeatureSet.load(tmp_path / "earlier.npz")
    assert earlier.preprocessing is None and earlier.data == ""
