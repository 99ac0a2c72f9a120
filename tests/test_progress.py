"""What may take over five seconds has a bar with rate and time left; what is quick has none."""

import concurrent.futures
import multiprocessing
import sys
import time

import numpy as np
import pandas as pd
import pytest

from helpers import runtime
from helpers.beyond import baselines, robustness
from helpers.data import images, manifest, mirror, own_clips
from helpers.features import building
from helpers.predict import fold_ensemble, predictor
from helpers.video import backbone, decoding, fine_tuning


def slowly(n):
    for _ in runtime.bar(range(n), "waiting", delay=0.2):
        time.sleep(0.15)


def test_a_bar_appears_where_it_takes_long_and_gives_rate_and_time_left(capfd):
    slowly(1)
    assert not capfd.readouterr().err
    slowly(4)
    shown = capfd.readouterr().err
    assert "waiting: " in shown and "clip/s]" in shown and "<00:00" in shown


def test_a_worker_process_has_no_bar(capfd):
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(slowly, 4).result()
    assert "waiting" not in capfd.readouterr().err


@pytest.fixture
def bars(monkeypatch):
    """The descriptions of the bars that were made."""
    made, bar = [], runtime.bar

    def noted(items, desc, *rest, **more):
        made.append(desc)
        return bar(items, desc, *rest, **more)

    monkeypatch.setattr(runtime, "bar", noted)
    return made


def test_hashing_packing_and_unpacking_have_one(bars, table, cache, tmp_path):
    building.build(table, cache, progress=False)
    mirror.pack(cache, tmp_path / "all.zip")
    mirror.unpack(tmp_path / "all.zip", tmp_path / "new")
    manifest.fetch([], tmp_path)
    (tmp_path / "own.csv").write_text(f"path,emotion\n{table.video_path[0]},happy\n")
    own_clips.index(tmp_path / "own.csv")
    assert bars == ["looking into the cache", "all.zip", "all.zip", "verifying", "clips"]


def test_classifiers_networks_and_corruptions_have_one(bars, small_runs):
    runs, _, features = small_runs
    rows = pd.DataFrame({"clip_id": features.clip_id, "actor": features.actor, "label": features.label})
    baselines.cross_validate(features.audio.mean(axis=1), rows, "random", 2, name="mean MFCC")
    fold_ensemble.load_with_subsystems(runs / "fusion")
    robustness.table(runs / "fusion", features, {"none": features.inputs()})
    lower, _ = fine_tuning.split(backbone.vgg16("random"))
    fine_tuning._apply(lower, np.zeros((2, 48, 48, 3), np.uint8))
    assert bars == ["mean MFCC", "fusion", "video", "audio", "corruptions", "lower blocks"]


def test_images_and_a_long_clip_have_one(bars, talking, tmp_path):
    (tmp_path / "fer2013.csv").write_text("emotion,pixels\n3," + " ".join(["7"] * 48**2))
    images.fer2013(tmp_path / "fer2013.csv")
    assert len(list(decoding.decode(talking))) > 1
    assert bars == ["images", "decoding"]


def test_many_clips_in_a_terminal_have_one_that_leaves_each_answer_its_own_line(bars, small_runs, monkeypatch, capsys):
    runs, table, _ = small_runs
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert predictor.main(["--model", str(runs / "audio"), *table.path[:2]]) == 0
    assert "clips" in bars and len(capsys.readouterr().out.splitlines()) == 2
