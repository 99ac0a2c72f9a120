import os
import pathlib
import shutil

import filelock
import pytest

# Before any test imports Keras: the seeded random backbone, so that no test waits for a download.
os.environ.setdefault("EMOTION_VGG16_WEIGHTS", "random")

from helpers.config import SubsystemConfig, TrainConfig
from helpers.data import datasets, ravdess, synthetic
from helpers.features import building
from helpers.training import cross_validation

PROJECT = pathlib.Path(__file__).resolve().parent.parent
# The files that take longest start first, so that no process works on one of them while the others have ended.
LONGEST = ("test_notebooks.py", "test_cross_validation.py", "test_preprocess.py", "test_background.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def shared():
    """Folder of the real recordings, clips and weights."""
    folder = pathlib.Path(os.environ.get("EMOTION_SHARED_DATA", PROJECT.parent / "shared" / "data"))
    if not (folder / "ravdess").is_dir():
        pytest.skip(f"no real data at {folder}; set EMOTION_SHARED_DATA to the folder that holds ravdess/")
    return folder


@pytest.fixture(scope="session")
def common(tmp_path_factory):
    """Folder for what one of the test processes makes and the other one takes, both under `one_at_a_time`."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def one_at_a_time(folder):
    return filelock.FileLock(folder / ".lock")


@pytest.fixture(scope="session")
def clips(common):
    """A synthetic set: 32 clips, one take of four actors in eight emotions."""
    root = common / "synthetic"
    with one_at_a_time(common):
        datasets.load("synthetic", root, n_actors=4, takes=1)
    return root


@pytest.fixture(scope="session")
def table(clips):
    return ravdess.index(clips)


@pytest.fixture(scope="session")
def cache(common, table, tmp_path_factory):
    """A cache that holds the 32 clips' features; the notebooks may add to it."""
    with one_at_a_time(common):
        building.build(table, common / "cache", progress=False)
    own = tmp_path_factory.mktemp("cache")
    shutil.copytree(common / "cache", own, dirs_exist_ok=True)
    return own


@pytest.fixture(scope="session")
def feature_set(table, cache):
    """Both modalities of the 32 clips."""
    return building.build(table, cache, progress=False)


@pytest.fixture(scope="session")
def talking(tmp_path_factory):
    """One clip of 2 s with a face and a voice."""
    return synthetic.clip(tmp_path_factory.mktemp("talking") / "01-01-03-01-01-01-02.mp4", "happy", 2, seconds=2.0)


@pytest.fixture(scope="session")
def bad_clips(clips, tmp_path_factory):
    """Two good clips among one of every kind of bad one: {id: words its exclusion must hold}."""
    root = tmp_path_factory.mktemp("bad")
    good = sorted(clips.rglob("*.mp4"))[:2]
    for path in good:
        shutil.copy(path, root)
    expected = {}

    def name(number):
        return f"01-01-0{number}-02-01-01-07"

    whole = good[0].read_bytes()
    (root / f"{name(2)}.mp4").write_bytes(whole[: len(whole) // 2])
    expected[name(2)] = "could be read"
    (root / f"{name(3)}.mp4").write_text("this is no video\n" * 50)
    expected[name(3)] = "could be read"
    for number, options, words in (
        (4, {"sound": False}, "no sound stream"),
        (5, {"pictures": False}, "no picture"),
        (6, {"face": False}, "no face in any of its"),
        (7, {"seconds": 0.1}, "at least 0.5 s"),
        (8, {"silent": True}, "digital silence"),
    ):
        synthetic.clip(root / f"{name(number)}.mp4", "happy", 7, **options)
        expected[name(number)] = words
    (root / "01-01-03-01-02-02-07.mp4").touch()
    expected["01-01-03-01-02-02-07"] = "could be read"
    return root, {path.stem for path in good}, expected


@pytest.fixture(scope="session")
def small_runs(common, table, cache, tmp_path_factory):
    """A video, an audio and a fusion run on two actors' clips: (folder that holds them, table, FeatureSet)."""
    root, own = common / "small_runs", tmp_path_factory.mktemp("small_runs")
    tiny = SubsystemConfig(units=8, fc_units=8)
    options = {"n_folds": 2, "train": TrainConfig(epochs=3, batch_size=8, learning_rate=0.01), "progress": False}
    table = table[table.actor <= 2].reset_index(drop=True)
    small = building.build(table, cache, workers=1, progress=False)
    with one_at_a_time(common):
        for model in ("video", "audio", "fusion"):
            cross_validation.cross_validate(small, model, out=root / "runs" / model, video=tiny, audio=tiny, **options)
    shutil.copytree(root / "runs", own / "runs")
    return own / "runs", table, small
