import pytest

from helpers.data import datasets


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
    with pytest.raises(ValueError, match='DATASET is \'afew\'; "synthetic", "ravdess", or the path'):
        datasets.load("afew", tmp_path)
