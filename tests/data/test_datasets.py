import os
import shutil

import pytest

from helpers import runtime
from helpers.config import AudioConfig
from helpers.data import content, datasets, manifest, ravdess_zenodo
from helpers.features import building
from helpers.features import cache as caches


def test_the_synthetic_set_keeps_the_size_it_was_made_with(tmp_path):
    assert len(datasets.load("synthetic", tmp_path, n_actors=1, takes=1)) == 8
    assert len(datasets.load("synthetic", tmp_path)) == 8


def test_a_set_half_made_is_completed(tmp_path):
    datasets.load("synthetic", tmp_path, n_actors=1, takes=1)
    next(tmp_path.rglob("*.mp4")).unlink()
    assert len(datasets.load("synthetic", tmp_path)) == 8


def test_missing_real_clips_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="archives that data_manifest"):
        datasets.load("ravdess", tmp_path / "nowhere")


def test_an_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match='DATASET is \'afew\'; "auto", "ravdess", "synthetic", or the path'):
        datasets.load("afew", tmp_path)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder that is the workspace, outside Colab."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(manifest.VARIABLE, raising=False)
    return tmp_path


def test_with_nothing_there_auto_is_the_real_mfcc_that_the_suite_carries_and_says_so(empty, capsys):
    table = datasets.load()
    assert len(table) == 1440 and table.attrs["data"] == "ravdess"
    assert table.attrs["modalities"] == ("audio",) and table.attrs["clips"] is False
    assert "real people, AUDIO ALONE, the MFCC that the suite carries: no clips" in capsys.readouterr().out


def test_the_carried_mfcc_need_neither_clip_nor_internet(empty, monkeypatch):
    monkeypatch.setattr(ravdess_zenodo, "fetch", lambda *_: pytest.fail("nothing may be fetched"))
    auto = building.build(datasets.load(actors=2), "cache", progress=False)
    assert auto.streams == ("audio",) and auto.audio.shape[1:] == (116, 13) and len(auto) == 120
    named = building.build(datasets.load("ravdess", actors=2), "cache", streams=("audio",), progress=False)
    assert named.fingerprint() == auto.fingerprint(), "RAVDESS by name takes its audio from there, too"


def test_the_carried_mfcc_are_those_of_todays_configuration(empty):
    building.build(datasets.load(actors=1), "cache", progress=False)
    folder = caches.folder("cache", "mfcc", AudioConfig())
    assert len(list(folder.glob("*.npz"))) == 1440


def test_where_video_is_needed_and_none_is_there_auto_is_synthetic_and_says_so(empty, capsys):
    table = datasets.load(streams=("video",), n_actors=1, takes=1)
    assert table.attrs["data"] == "synthetic" and table.attrs["modalities"] == ("video", "audio")
    assert "SYNTHETIC, drawn faces, no people: no clips of RAVDESS" in capsys.readouterr().out


def test_auto_is_ravdess_where_its_clips_are(empty, clips, capsys):
    first = sorted(clips.rglob("*.mp4"))[0]
    (empty / "data" / "ravdess").mkdir(parents=True)
    shutil.copy(first, empty / "data" / "ravdess")
    assert len(datasets.load()) == 1 and "its clips are in" in capsys.readouterr().out
    assert len(datasets.load(root=empty / "data")) == 1


def test_auto_is_ravdess_in_colab_and_where_the_cache_has_all_its_features(empty, monkeypatch, capsys):
    for path in ravdess_zenodo.table("", actors=1).video_path:
        content.note(content.notes_file("cache", path), {os.path.basename(path): "a.0123456789ab"})
    assert datasets.load(actors=1).attrs["modalities"] == ("video", "audio")
    assert "the cache has its features" in capsys.readouterr().out
    assert datasets.load(actors=2).attrs["modalities"] == ("audio",), "of the second actor there is none"
    monkeypatch.setattr(runtime, "in_colab", lambda: True)
    assert datasets.load(actors=2).attrs["modalities"] == ("video", "audio")


@pytest.mark.real
def test_the_carried_mfcc_are_what_the_suite_makes_of_the_recordings(empty, shared):
    folder = empty / "three" / "Actor_07"
    folder.mkdir(parents=True)
    for path in sorted((shared / "ravdess" / "Actor_07").glob("*.flac"))[:3]:
        shutil.copy(path, folder)
    made = building.build(datasets.load("ravdess", empty / "three"), "made", progress=False)
    table = datasets.load()
    carried = building.build(table[table.actor == 7].head(3), "cache", progress=False)
    assert (made.audio == carried.audio).mean() > 0.99 and abs(made.audio - carried.audio).max() < 1e-3


def test_a_clip_that_is_not_in_the_table_is_named(table):
    with pytest.raises(ValueError, match=f"no clip 'nobody' among the {len(table)} of the table"):
        datasets.clip(table, "nobody")
