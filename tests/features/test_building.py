import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from helpers.audio import speech
from helpers.config import AudioConfig, VideoConfig
from helpers.data import ravdess
from helpers.features import building
from helpers.features import cache as caches
from helpers.features.feature_set import OnDisk
from helpers.video import faces


def entries(cache):
    return {p.relative_to(cache): p.stat().st_mtime_ns for p in cache.rglob("*.np*")}


def test_every_clip_has_both_modalities_right_padded_with_its_length(feature_set, table):
    assert feature_set.clip_id.tolist() == table.clip_id.tolist() and not feature_set.excluded
    assert feature_set.video.shape[::2] == (32, 512) and feature_set.audio.shape[::2] == (32, 13)
    for stream in ("video", "audio"):
        values, length = getattr(feature_set, stream), getattr(feature_set, f"{stream}_length")
        for row, n in zip(values, length):
            assert row[n - 1].any() and not row[n:].any()


def test_the_features_are_those_of_the_clips(feature_set, table):
    for row in (0, 20):
        alone = speech.mfcc(*speech.load(table.audio_path[row]))
        assert np.array_equal(feature_set.audio[row, : len(alone)], alone)


def test_a_second_build_makes_nothing_anew(feature_set, table, cache):
    before = entries(cache)
    again = building.build(table, cache, progress=False)
    assert entries(cache) == before and again.fingerprint() == feature_set.fingerprint()


def test_a_set_larger_than_the_memory_is_gathered_on_the_disk(feature_set, table, cache, tmp_path):
    stored = building.build(table, cache, progress=False, on_disk=tmp_path / "set")
    assert isinstance(stored.audio, OnDisk) and stored.fingerprint() == feature_set.fingerprint()


def test_a_clip_too_long_for_the_memory_is_named(table, cache, tmp_path, monkeypatch):
    def no_memory(*_):
        raise MemoryError("Unable to allocate 51.5 GiB")

    monkeypatch.setattr(building, "new_array", no_memory)
    with pytest.raises(MemoryError, match=r"-\d\d has \d+ audio frames, to which all are padded; half of the clips"):
        building.build(table, cache, progress=False, streams=("audio",), on_disk=tmp_path)


def test_another_configuration_has_its_own_entries(table, tmp_path):
    few = table.head(2)
    building.build(few, tmp_path, progress=False, streams=("audio",))
    slow = building.build(few, tmp_path, progress=False, streams=("audio",), audio=AudioConfig(hop_length=4096))
    fast = building.build(few, tmp_path, progress=False, streams=("audio",))
    assert len(list(tmp_path.glob("mfcc-*"))) == 2
    assert fast.audio.shape[1] > slow.audio.shape[1]


def test_entries_made_in_an_earlier_way_are_never_mixed_in(table, tmp_path, monkeypatch):
    monkeypatch.setitem(caches._VERSIONS, "mfcc", 0)
    building.build(table.head(1), tmp_path, progress=False, streams=("audio",), workers=1)
    monkeypatch.undo()
    building.build(table.head(1), tmp_path, progress=False, streams=("audio",), workers=1)
    assert len(list(tmp_path.glob("mfcc-*/*.npz"))) == 2


def test_an_interrupted_build_goes_on_and_ends_the_same(table, tmp_path):
    few = table.head(6)
    whole = building.build(few, tmp_path / "whole", progress=False, workers=1)
    building.build(few.head(3), tmp_path / "parts", progress=False, workers=1)
    leftover = next((tmp_path / "parts").glob("faces-*")) / ".01-01-01-01-01-01-01.npz.1.tmp"
    leftover.write_bytes(b"half an entry of a killed run")
    assert building.build(few, tmp_path / "parts", progress=False, workers=1).fingerprint() == whole.fingerprint()


def test_every_bad_clip_is_left_out_by_name_and_the_good_ones_are_kept(bad_clips, tmp_path):
    root, good, expected = bad_clips
    table = ravdess.index(root)
    result = building.build(table, tmp_path, progress=False)
    assert set(result.clip_id) == good
    reasons = dict(result.excluded)
    assert set(reasons) == set(expected)
    for name, words in expected.items():
        assert words in reasons[name], f"{name}: {reasons[name]}"
    assert f"left out: {len(expected)}" in str(result.excluded)


def test_a_clip_without_sound_still_gives_its_video(bad_clips, tmp_path):
    root, good, _ = bad_clips
    result = building.build(ravdess.index(root), tmp_path, progress=False, streams=("video",))
    assert set(result.clip_id) == good | {"01-01-04-02-01-01-07", "01-01-08-02-01-01-07"} and result.audio is None


def test_no_usable_clip_at_all_is_an_error_with_the_reasons(bad_clips, tmp_path):
    root, good, _ = bad_clips
    table = ravdess.index(root)
    with pytest.raises(ValueError, match="none of the 8 clips can be used"):
        building.build(table[~table.clip_id.isin(good)], tmp_path, progress=False)


def test_two_clips_with_one_id_are_refused(table, tmp_path):
    import pandas as pd

    with pytest.raises(ValueError, match="two clips with one id: 01-01-01-01-01-01-01"):
        building.build(pd.concat([table.head(2), table.head(1)]), tmp_path)


def test_an_empty_table_is_refused(table, tmp_path):
    with pytest.raises(ValueError, match="no clip"):
        building.build(table.head(0), tmp_path)


def test_the_example_to_look_at_is_one_that_works(bad_clips):
    root, good, _ = bad_clips
    table = ravdess.index(root)
    assert building.example(table, "happy").clip_id in good, "the happy clips there are all bad"
    with pytest.raises(ValueError, match="none of the 8 clips"):
        building.example(table[~table.clip_id.isin(good)])


def test_cached_entries_can_be_looked_at(feature_set, table, cache):
    path = table.path[0]
    assert len(building.cached_track(cache, path).frames) == feature_set.video_length[0]
    assert building.cached_mfcc(cache, path).shape == (feature_set.audio_length[0], 13)
    with pytest.raises(FileNotFoundError):
        building.cached_track(cache, path, VideoConfig(fps=3))


def test_another_clip_of_the_same_name_is_never_taken_for_the_first(table, tmp_path):
    """The synthetic clips are named like RAVDESS': both in one cache must not mix."""
    one, two = table.iloc[[0]], table.iloc[[1]].copy()
    path = tmp_path / "other" / f"{one.clip_id.item()}.mp4"
    path.parent.mkdir()
    shutil.copy(two.path.item(), path)
    other = one.assign(path=str(path), video_path=str(path), audio_path=str(path))
    first = building.build(one, tmp_path / "cache", progress=False, streams=("audio",))
    second = building.build(other, tmp_path / "cache", progress=False, streams=("audio",))
    alone = building.build(two, tmp_path / "cache", progress=False, streams=("audio",))
    assert not np.array_equal(first.audio, second.audio) and np.array_equal(second.audio, alone.audio)


def test_a_file_deleted_since_the_index_was_made_is_left_out_by_name(table, tmp_path):
    few = table.head(2).copy()
    few.loc[1, ["path", "video_path", "audio_path"]] = str(tmp_path / "gone.mp4")
    result = building.build(few, tmp_path, progress=False, streams=("audio",))
    assert len(result) == 1 and "gone.mp4 is not there any more" in result.excluded[0][1]


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path):
    path.write_bytes(b"garbage" * 99)


def flip(path):
    whole = path.read_bytes()
    at = len(whole) // 2
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


@pytest.fixture(scope="module")
def three(table, tmp_path_factory):
    """(table, cache, FeatureSet) of three clips."""
    folder = tmp_path_factory.mktemp("three")
    return table.head(3), folder, building.build(table.head(3), folder, progress=False, workers=1)


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b""), half, garbage, flip])
@pytest.mark.parametrize("kind", ["faces", "mfcc", "vgg16"])
def test_a_damaged_entry_is_made_again_and_reported_once(kind, spoil, three, tmp_path, capsys):
    table, folder, built = three
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    entry = sorted(tmp_path.glob(f"{kind}-*/*.npz"))[1]
    spoil(entry)
    if kind == "faces":  # looked at only to embed them
        next(tmp_path.glob(f"vgg16-*/{entry.name}")).unlink()
    for on_disk in (None, tmp_path / "set"):
        again = building.build(table, tmp_path, progress=False, workers=1, on_disk=on_disk)
        assert again.fingerprint() == built.fingerprint() and not again.excluded
    assert capsys.readouterr().err.count(f"1 damaged in the cache, made again: {entry.name}") == 1


def test_a_damaged_set_on_the_disk_is_made_again_too(three, tmp_path):
    table, folder, built = three
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for entry in tmp_path.glob("vgg16-*/*.npz"):
        flip(entry)
    again = building.build(table, tmp_path, progress=False, workers=1, on_disk=tmp_path / "set")
    assert again.fingerprint() == built.fingerprint()


def test_an_unforeseen_fault_costs_its_clip_by_name_and_kind_and_is_tried_again(table, tmp_path, monkeypatch):
    track = faces.track

    def faulty(path, *rest):
        if path == table.path[1]:
            raise UnicodeDecodeError("utf-8", b"Caf\xe9", 3, 4, "invalid continuation byte")
        return track(path, *rest)

    monkeypatch.setattr(faces, "track", faulty)
    few = table.head(3)
    result = building.build(few, tmp_path, progress=False, workers=1)
    ((name, reason),) = result.excluded
    assert name == few.clip_id[1] and reason.startswith("UnicodeDecodeError: 'utf-8' codec") and len(result) == 2
    monkeypatch.undo()
    assert len(building.build(few, tmp_path, progress=False, workers=1)) == 3


def test_a_refusal_is_kept_and_a_failure_to_read_is_tried_again(bad_clips, tmp_path):
    root, _, expected = bad_clips
    building.build(ravdess.index(root), tmp_path, progress=False)
    kept = {path.name.split(".")[0] for path in tmp_path.rglob("*.why")}
    assert kept == {name for name, words in expected.items() if words != "could be read"}


@pytest.mark.skipif(not pathlib.Path("/proc/self/mem").exists(), reason="no file that refuses to be read")
def test_a_file_that_the_disk_does_not_give_is_left_out_by_name(table, tmp_path):
    few = table.head(2).copy()
    (tmp_path / "bad.mp4").symlink_to("/proc/self/mem")
    few.loc[1, ["path", "video_path", "audio_path"]] = str(tmp_path / "bad.mp4")
    result = building.build(few, tmp_path, progress=False, streams=("audio",), workers=1)
    assert result.excluded == [(few.clip_id[1], "its file could not be read (Input/output error)")]


def test_a_field_that_a_configuration_gets_later_leaves_the_cache_in_place(three, tmp_path):
    _, folder, _ = three
    Longer = dataclasses.make_dataclass("Longer", [("later", float, 0.0)], bases=(AudioConfig,), frozen=True)
    assert caches.folder(folder, "mfcc", Longer()) == next(folder.glob("mfcc-*"))
    assert caches.folder(tmp_path, "mfcc", Longer(later=1.0)).name != next(folder.glob("mfcc-*")).name


@pytest.mark.real
def test_the_real_clips_go_through_with_the_real_weights(shared, tmp_path):
    table = ravdess.index(shared / "ravdess")
    weights = shared / "vgg16" / "vgg16_imagenet_notop.h5"
    result = building.build(table[table.modality == 1], tmp_path, progress=False, weights=weights)
    assert len(result) == 4 and not result.excluded
    assert 20 < result.video.max() < 500, "ImageNet features of 48-px faces reach three digits"
