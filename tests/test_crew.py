import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import joblib
import pytest

from helpers import cache, crew, features, preprocess, runtime
from helpers.config import AudioConfig, VideoConfig


class Deadly(str):
    """A path that kills the process which opens it, as a fault in a codec would; the first time only if `once` lies
    beside it."""

    def __str__(self):
        once = pathlib.Path(self[:]).with_suffix(".once")
        if once.exists():
            once.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.endswith("deadly.mp4"):
            os.kill(os.getpid(), signal.SIGKILL)
        return self[:]


class Bar:
    def __init__(self):
        self.n = 0

    def update(self, n=1):
        self.n += n


@pytest.fixture
def plan(tmp_path):
    return preprocess.Plan(tmp_path / "cache", ("video",), VideoConfig(), AudioConfig(), "random")


def todo(plan, table, paths):
    """Clips to make: (row, wanted), of given files."""
    rows = list(table.head(len(paths)).itertuples())
    for row in rows:
        plan.entries[row.clip_id] = {}
    return [(r, {"video": (p, plan.folders["video"] / f"{r.clip_id}.npz")}) for r, p in zip(rows, paths)]


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in pathlib.Path(folder).rglob("*") if p.is_file()}


def test_a_clip_that_kills_its_process_is_named_and_the_others_are_made(plan, table, tmp_path):
    paths = [Deadly(tmp_path / "deadly.mp4") if n == 2 else table.path[n] for n in range(6)]
    bar = Bar()
    crew.make(todo(plan, table, paths), plan, 2, bar)
    ((name, reason),) = plan.excluded
    assert name == table.clip_id[2] and "the process that worked on it died, twice" in reason and bar.n == 6
    assert len(list(plan.folders["video"].glob("*.npz"))) == 5
    assert not list(plan.folders["video"].glob(".*")), "the marks are gone"


def test_a_process_that_dies_once_costs_nothing(plan, table, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(pathlib.Path(table.path[1]).read_bytes())
    copy.with_suffix(".once").touch()
    paths = [Deadly(copy) if n == 1 else table.path[n] for n in range(4)]
    crew.make(todo(plan, table, paths), plan, 2, Bar())
    assert not plan.excluded and len(list(plan.folders["video"].glob("*.npz"))) == 4


def test_one_pass_gives_what_two_passes_give(table, tmp_path):
    row = table.iloc[0]
    for folder, streams in (("one", ("video", "audio")), ("two", ("video",)), ("two", ("audio",))):
        features.build(table.head(1), tmp_path / folder, progress=False, streams=streams, workers=1)
    assert content(tmp_path / "one") == content(tmp_path / "two") and row.video_path == row.audio_path


def test_killed_twice_the_finished_cache_is_the_same_to_the_last_byte(table, clips, tmp_path):
    script = (
        "import sys; from helpers import features, ravdess; table = ravdess.index(sys.argv[1]).iloc[::32];"
        "features.build(table, sys.argv[2], progress=False)"
    )
    environment = {**os.environ, "PYTHONPATH": str(runtime.PROJECT)}

    def start(folder):
        return subprocess.Popen([sys.executable, "-c", script, clips, tmp_path / folder], env=environment)

    def wait_for(pattern, process):
        while not list((tmp_path / "killed").glob(pattern)) and process.poll() is None:
            time.sleep(0.01)

    for moment in ("faces-*/*.npz", "vgg16-*"):
        process = start("killed")
        wait_for(moment, process)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("killed").wait() == 0 and start("undisturbed").wait() == 0
    assert content(tmp_path / "killed") == content(tmp_path / "undisturbed")


def test_what_a_dead_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    cache.claim(tmp_path / "mine.npz")
    left = next(tmp_path.glob(".mine*"))
    other = tmp_path / left.name.replace(str(os.getpid()), str(dead.pid)).replace("mine", "theirs")
    other.touch()
    cache.sweep(tmp_path)
    assert left.exists() and not other.exists()
    cache.release(tmp_path / "mine.npz")
    assert not left.exists() and not cache.claimed(tmp_path / "mine.npz")


def test_a_dask_cluster_does_the_work_and_survives_a_worker_that_is_killed(table, tmp_path):
    distributed = pytest.importorskip("distributed")
    few = table.head(24)
    with (
        distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = client.run(os.getpid)

        def kill_one():
            while len(list(tmp_path.glob("cache/mfcc-*/*.npy"))) < 4:
                time.sleep(0.01)
            os.kill(next(iter(pids.values())), signal.SIGKILL)
            made.append(len(list(tmp_path.glob("cache/mfcc-*/*.npy"))))

        made = []
        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()
        with joblib.parallel_config("dask"):
            built = features.build(few, tmp_path / "cache", streams=("audio",), progress=False)
        killer.join()
        assert made[0] < 24, "it was killed midway"
    here = features.build(few, tmp_path / "here", streams=("audio",), progress=False)
    assert built.fingerprint() == here.fingerprint() and not built.excluded
