import shutil

import numpy as np
import pandas as pd
import pytest

from helpers.data import ravdess


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_name_is_decoded_field_by_field():
    clip = ravdess.parse("Actor_12/03-01-06-02-01-02-12.wav")
    assert clip == ("03-01-06-02-01-02-12", 3, "speech", "fearful", 5, 2, 1, 2, 12, "female")
    assert clip.take == "01-06-02-01-02-12"


@pytest.mark.parametrize(
    "name, field",
    [
        ("04-01-03-01-01-01-01", "modality"),
        ("01-03-03-01-01-01-01", "vocal channel"),
        ("01-01-09-01-01-01-01", "emotion"),
        ("01-01-03-03-01-01-01", "intensity"),
        ("01-01-01-02-01-01-01", "neutral has no strong intensity"),
        ("01-01-03-01-00-01-01", "statement"),
        ("01-01-03-01-01-3-01", "repetition"),
        ("01-01-03-01-01-01-25", "actor"),
        ("01-01-03-01-01-01-²1", "actor"),
        ("holiday", "7"),
        ("01-01-03-01-01-01-01-01", "8 fields"),
    ],
)
def test_a_wrong_name_is_refused_naming_the_bad_field(name, field):
    with pytest.raises(ValueError, match=field):
        ravdess.parse(name + ".mp4")


def test_all_three_files_of_a_take_become_one_row_with_two_paths(tmp_path):
    names = [f"Actor_05/{m}-01-08-01-02-01-05" for m in ("01", "02", "03")]
    table = ravdess.index(touch(tmp_path, names[0] + ".mp4", names[1] + ".mp4", names[2] + ".wav"))
    (row,) = table.itertuples()
    assert row.video_path.endswith("01-01-08-01-02-01-05.mp4") and row.audio_path.endswith("03-01-08-01-02-01-05.wav")
    assert row.path == row.video_path and row.clip_id == "01-01-08-01-02-01-05" and row.modality == 1
    assert table.attrs["data"] == "ravdess"
    assert table.attrs["excluded"] == [("Actor_05/02-01-08-01-02-01-05.mp4", "video-only twin of an audio-video take")]


def test_a_video_only_twin_is_no_sample_even_when_video_only_clips_are_asked_for(tmp_path):
    touch(tmp_path, "01-01-03-01-01-01-05.mp4", "02-01-03-01-01-01-05.mp4", "02-01-04-01-01-01-05.mp4")
    assert ravdess.index(tmp_path).clip_id.tolist() == ["01-01-03-01-01-01-05"]
    assert ravdess.index(tmp_path, video_only=True).clip_id.tolist() == [
        "01-01-03-01-01-01-05",
        "02-01-04-01-01-01-05",
    ]


def test_every_file_that_is_no_row_is_named_with_its_reason(tmp_path):
    touch(tmp_path, "a/01-01-03-01-01-01-05.mp4", "b/01-01-03-01-01-01-05.mp4", "01-02-03-01-01-01-05.mp4")
    touch(tmp_path, "holiday.mp4", "notes.txt", ".01-01-03-01-01-01-06.mp4")
    table = ravdess.index(tmp_path)
    reasons = dict(table.attrs["excluded"])
    assert len(table) == 1 and set(reasons) == {"b/01-01-03-01-01-01-05.mp4", "01-02-03-01-01-01-05.mp4", "holiday.mp4"}
    assert reasons["b/01-01-03-01-01-01-05.mp4"] == "same clip as a/01-01-03-01-01-01-05.mp4"
    assert "song" in reasons["01-02-03-01-01-01-05.mp4"]
    assert "left out: 3" in str(table.attrs["excluded"])


def test_an_empty_folder_and_a_missing_one_say_what_was_found(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.mp4"):
        ravdess.index(tmp_path)
    with pytest.raises(FileNotFoundError, match="not a folder"):
        ravdess.index(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="not a RAVDESS name"):
        ravdess.index(touch(tmp_path, "holiday.mp4"))


def corpus():
    """The 1440 takes' labels and actors, as RAVDESS has them."""
    rows = [(label, actor) for actor in range(1, 25) for label in range(8) for _ in range(4 if label == 0 else 8)]
    return pd.DataFrame(rows, columns=["label", "actor"])


@pytest.mark.parametrize("protocol, n", [("random", 10), ("actor", 10), ("actor", 24), ("luna2022", 5), ("emobox", 6)])
def test_every_clip_is_tested_exactly_once_and_never_trained_on_then(protocol, n):
    parts = ravdess.folds(corpus(), protocol, n)
    assert len(parts) == n
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(1440))
    for train, test in parts:
        assert not set(train) & set(test) and len(train) + len(test) == 1440


@pytest.mark.parametrize("protocol", ["actor", "luna2022", "emobox"])
def test_no_actor_is_on_both_sides(protocol):
    table = corpus()
    for train, test in ravdess.folds(table, protocol, 10):
        assert not set(table.actor[train]) & set(table.actor[test])


def test_random_folds_are_stratified_and_change_with_the_seed_only():
    table = corpus()
    for _, test in ravdess.folds(table, "random", 10):
        counts = np.bincount(table.label[test], minlength=8)
        assert counts[0] in (9, 10) and set(counts[1:]) <= {19, 20}
    same, other = ravdess.folds(table, "random", 10, seed=0), ravdess.folds(table, "random", 10, seed=1)
    again = ravdess.folds(table, "random", 10, seed=0)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(same, again))
    assert not np.array_equal(same[0][1], other[0][1])


def test_a_recording_with_two_names_is_tested_in_one_fold_and_the_others_stay_where_they_were():
    twins = [f"03-{take}" for take in ravdess.SAME_RECORDING]
    table = corpus()
    named = table.assign(clip_id=[f"clip {row}" for row in table.index])
    rows = named.index[(named.actor == 7) & (named.label == 2)][:2]
    named.loc[rows, "clip_id"] = twins
    for seed in range(5):
        before, after = (ravdess.folds(one, "random", 10, seed) for one in (table, named))
        changed = {row for (_, a), (_, b) in zip(before, after) for row in set(a) ^ set(b)}
        assert changed <= {rows[1]} and sum(set(rows) <= set(test) for _, test in after) == 1
        assert sorted(np.concatenate([test for _, test in after])) == list(range(1440))


LUNA_2022 = [(2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22)]
EMOBOX = [(1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22)]


@pytest.mark.parametrize("protocol, actors", [("luna2022", LUNA_2022), ("emobox", EMOBOX)])
def test_the_published_folds_are_the_published_actors(protocol, actors):
    table = corpus()
    assert [tuple(sorted(set(table.actor[test].tolist()))) for _, test in ravdess.folds(table, protocol)] == actors


@pytest.mark.parametrize(
    "rows, protocol, n, words",
    [
        (slice(None), "speaker", 10, "protocol is 'speaker'"),
        (slice(0, 120), "actor", 10, "at most 2 folds"),
        (slice(0, 60), "random", 10, "only 4 clips"),
        (slice(0, 60), "luna2022", 5, "luna2022 fold . .* use all 24"),
        (slice(0, 60), "emobox", 6, "emobox fold 2 .* use all 24"),
        (slice(None), "random", 1, "at least 2"),
    ],
)
def test_folds_that_cannot_be_made_say_why(rows, protocol, n, words):
    with pytest.raises(ValueError, match=words):
        ravdess.folds(corpus().iloc[rows].reset_index(drop=True), protocol, n)


@pytest.mark.real
def test_the_1440_real_recordings_are_indexed(shared):
    table = ravdess.index(shared / "ravdess")
    assert len(table) == 1440 and (table.modality == 1).sum() == 4
    assert table.emotion.value_counts().to_dict() == {**dict.fromkeys(ravdess.EMOTIONS, 192), "neutral": 96}
    assert len(table.attrs["excluded"]) == 1, "the video-only twin"


def test_a_clip_in_another_format_of_the_same_take_is_no_second_sample(tmp_path):
    touch(tmp_path, "03-01-03-01-01-01-05.wav")
    shutil.copy(tmp_path / "03-01-03-01-01-01-05.wav", tmp_path / "03-01-03-01-01-01-05.flac")
    assert len(ravdess.index(tmp_path)) == 1
