import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import joblib
import pytest

from helpers import runtime
from helpers.config import AudioConfig, VideoConfig
from helpers.features import building, preprocess


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


def jobs(plan, table, paths):
    """The jobs of the table's first clips, with other files: {clip_id: job}."""
    clip_ids = table.clip_id[: len(paths)]
    plan.entries |= {clip_id: {} for clip_id in clip_ids}
    return {c: {"video": (path, plan.folders["video"] / f"{c}.npz")} for c, path in zip(clip_ids, paths)}


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in pathlib.Path(folder).rglob("*") if p.is_file()}


def test_a_clip_that_kills_its_process_is_named_and_the_others_are_made(plan, table, tmp_path):
    paths = [Deadly(tmp_path / "deadly.mp4") if n == 2 else table.path[n] for n in range(6)]
    bar = Bar()
    preprocess.make(jobs(plan, table, paths), plan, 2, bar)
    ((name, reason),) = plan.excluded
    assert name == table.clip_id[2] and "the process that worked on it died, twice" in reason and bar.n == 6
    assert len(list(plan.folders["video"].glob("*.npz"))) == 5
    assert not list(plan.folders["video"].glob(".*")), "the marks are gone"


def test_a_process_that_dies_once_costs_nothing(plan, table, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(pathlib.Path(table.path[1]).read_bytes())
    copy.with_suffix(".once").touch()
    paths = [Deadly(copy) if n == 1 else table.path[n] for n in range(4)]
    preprocess.make(jobs(plan, table, paths), plan, 2, Bar())
    assert not plan.excluded and len(list(plan.folders["video"].glob("*.npz"))) == 4


def test_a_clip_that_another_process_has_made_and_whose_file_it_deleted_is_kept(plan, table, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(pathlib.Path(table.path[0]).read_bytes())
    ((clip_id, job),) = jobs(plan, table, [copy]).items()
    for _ in range(2):
        assert preprocess.make_entries(clip_id, job, plan.video, plan.audio, parent=os.getpid()) == (clip_id, None)
        copy.unlink(missing_ok=True)


def test_one_pass_gives_what_two_passes_give(table, tmp_path):
    row = table.iloc[0]
    for folder, streams in (("one", ("video", "audio")), ("two", ("video",)), ("two", ("audio",))):
        building.build(table.head(1), tmp_path / folder, progress=False, streams=streams, workers=1)
    assert content(tmp_path / "one") == content(tmp_path / "two") and row.video_path == row.audio_path


def test_killed_twice_the_finished_cache_is_the_same_to_the_last_byte(table, clips, tmp_path):
    script = (
        "import sys; from helpers import data, features; table = data.index(sys.argv[1]).iloc[::8];"
        "features.build(table, sys.argv[2], progress=False)"
    )
    environment = {**os.environ, "PYTHONPATH": str(runtime.PROJECT)}

    def start():
        return subprocess.Popen([sys.executable, "-c", script, clips, tmp_path / "killed"], env=environment)

    def wait_for(pattern, process):
        while not list((tmp_path / "killed").glob(pattern)) and process.poll() is None:
            time.sleep(0.01)

    for moment in ("faces-*/*.npz", "vgg16-*"):
        process = start()
        wait_for(moment, process)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start().wait() == 0
    building.build(table.iloc[::8], tmp_path / "undisturbed", progress=False)
    assert content(tmp_path / "killed") == content(tmp_path / "undisturbed")


class Hanging(str):
    """A path on which the process that opens it hangs, as in a fault of a codec."""

    def __str__(self):
        time.sleep(600)
        return self[:]


def test_a_clip_on_which_a_process_hangs_is_named_after_its_time_and_the_others_are_made(
    plan, table, tmp_path, monkeypatch
):
    monkeypatch.setattr(preprocess, "WAIT", 2.0)
    monkeypatch.setattr(preprocess, "WAIT_PER_MB", 1e6)  # only the one that is not there has no more than that
    paths = [Hanging(tmp_path / "hanging.mp4") if n == 1 else table.path[n] for n in range(4)]
    bar = Bar()
    preprocess.make(jobs(plan, table, paths), plan, 2, bar)
    ((name, reason),) = plan.excluded
    assert name == table.clip_id[1] and "it was not done after 2 s" in reason and bar.n == 4
    assert len(list(plan.folders["video"].glob("*.npz"))) == 3
    assert not list(plan.folders["video"].glob(".*")) and not list(plan.folders["video"].glob("*.why"))


def test_a_large_clip_may_take_longer(tmp_path):
    (tmp_path / "a.mp4").write_bytes(bytes(2_000_000))
    both = {stream: (str(tmp_path / "a.mp4"), None) for stream in ("video", "audio")}
    assert preprocess.time_limit(both) == preprocess.WAIT + 2 * preprocess.WAIT_PER_MB


def test_a_worker_shows_the_detector_no_gpu(plan, table, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    ((clip_id, job),) = jobs(plan, table, [table.path[0]]).items()
    preprocess.make_entries(clip_id, job, plan.video, plan.audio, seconds=600, parent=os.getpid())
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0", "the notebook's own process keeps its GPU"
    for _, entry in job.values():
        entry.unlink()
    preprocess.make_entries(clip_id, job, plan.video, plan.audio, seconds=600, parent=os.getpid() + 1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.slow
def test_a_dask_cluster_does_the_work_and_survives_a_worker_that_is_killed(table, tmp_path):
    distributed = pytest.importorskip("distributed")
    few = table.head(24)
    with (
        distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = client.run(os.getpid)

        def kill_one():
            while len(list(tmp_path.glob("cache/mfcc-*/*.npz"))) < 4:
                time.sleep(0.01)
            os.kill(next(iter(pids.values())), signal.SIGKILL)
            made.append(len(list(tmp_path.glob("cache/mfcc-*/*.npz"))))

        made = []
        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()
        with joblib.parallel_config("dask"):
            built = building.build(few, tmp_path / "cache", streams=("audio",), progress=False)
        killer.join()
        assert made[0] < 24, "it was killed midway"
    here = building.build(few, tmp_path / "here", streams=("audio",), progress=False)
    assert built.fingerprint() == here.fingerprint() and not built.excluded
