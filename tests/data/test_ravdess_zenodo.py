"""RAVDESS' archives on a server of small ones: fetched actor by actor, preprocessed, deleted."""

import contextlib
import csv
import io
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile

import faulty_server
import pytest
import soundfile
from test_zip_members import archive

from helpers import runtime
from helpers.audio import speech
from helpers.config import AudioConfig, VideoConfig
from helpers.data import datasets, manifest, ravdess, ravdess_zenodo
from helpers.data.download import DownloadError
from helpers.features import building, preprocess

ACTORS, QUIET = 3, {"progress": False}


@pytest.fixture(scope="module")
def archives(clips, tmp_path_factory):
    """Archives of three actors' clips, laid out as RAVDESS': {name: bytes}."""
    files, sounds = {}, {}
    folder = tmp_path_factory.mktemp("sounds")
    for actor in range(1, ACTORS + 1):
        paths = sorted((clips / f"Actor_{actor:02}").glob("*.mp4"))[::2]
        members = {f"Actor_{actor:02}/{path.name}": path.read_bytes() for path in paths}
        twins = {name.replace("/01-", "/02-"): data for name, data in members.items()}
        files[f"Video_Speech_Actor_{actor:02}.zip"] = archive(members | twins)
        for path in paths:
            name = f"Actor_{actor:02}/03{path.stem[2:]}.wav"
            soundfile.write(folder / "a.wav", *speech.load(path))
            sounds[name] = (folder / "a.wav").read_bytes()
    return files | {"Audio_Speech_Actors_01-24.zip": archive(sounds)}


@pytest.fixture
def server(archives, tmp_path, monkeypatch):
    with faulty_server.serving(archives) as running:
        path = tmp_path / "served.csv"
        with open(path, "w", newline="") as file:
            table = csv.DictWriter(file, manifest.COLUMNS)
            table.writeheader()
            table.writerows(running.row(name) for name in archives)
        monkeypatch.setenv(manifest.VARIABLE, str(path))
        monkeypatch.chdir(tmp_path)
        yield running


def media(folder="."):
    return [path for path in pathlib.Path(folder).rglob("*") if path.suffix in (".mp4", ".wav")]


def least(archives):
    """Bytes that have to come: half of each video archive, which holds every take twice, and the recordings."""
    return sum((0.55 if name.startswith("Video") else 1) * len(data) for name, data in archives.items())


def unpacked(archives, folder):
    """All clips unpacked the usual way, as their table."""
    for data in archives.values():
        zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
    return ravdess.index(folder)


@pytest.fixture(scope="module")
def undisturbed(archives, tmp_path_factory):
    """The features of the unpacked clips: what every way through the server must come to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return building.build(unpacked(archives, folder), folder / "cache", **QUIET)


def test_the_table_is_known_before_any_clip_is_here(server):
    table = datasets.load("ravdess")
    assert len(table) == 180 and len(datasets.load("ravdess", actors=2)) == 120 and not server.log
    assert table.groupby("emotion", observed=False).size().tolist() == [12] + [24] * 7
    assert set(table.audio_archive) == {"Audio_Speech_Actors_01-24.zip"}


def test_clips_are_fetched_made_into_features_and_deleted(server, archives, undisturbed, tmp_path):
    used = []

    def watch():
        while not done.wait(0.02):
            with contextlib.suppress(FileNotFoundError):
                used.append(sum(p.stat().st_size for p in tmp_path.glob("data/**/*") if p.is_file()))

    done = threading.Event()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    table = datasets.load("ravdess")
    try:
        built = building.build(table, "cache", **QUIET)
    finally:
        done.set()
        watcher.join()
    assert built.fingerprint() == undisturbed.fingerprint() and not media()
    assert built.excluded.counts() == {"not in Video_Speech_Actor_01.zip or Audio_Speech_Actors_01-24.zip": 56} | {
        f"not in Video_Speech_Actor_{n:02}.zip or Audio_Speech_Actors_01-24.zip": 56 for n in (2, 3)
    }
    assert max(used) <= 2 * max(map(len, archives.values())) and server.sent <= least(archives)
    assert building.cached_track("cache", table[table.clip_id == built.clip_id[0]].video_path.item()).found.any()


def test_what_was_made_is_never_fetched_again_and_another_configuration_fetches_its_own_modality(server, undisturbed):
    few = ravdess_takes(undisturbed)
    building.build(few, "cache", **QUIET)
    before = len(server.log)
    building.build(few, "cache", **QUIET)
    assert len(server.log) == before, "not one request"
    building.build(few, "cache", audio=AudioConfig(hop_length=4096), **QUIET)
    assert {name for name, _ in server.log[before:]} == {"Audio_Speech_Actors_01-24.zip"} and not media()


def ravdess_takes(built):
    """The table of the takes that the small archives hold."""
    table = datasets.load("ravdess")
    return table[table.clip_id.isin(built.clip_id)]


def test_killed_at_any_point_it_goes_on_and_ends_the_same(server, undisturbed, archives, tmp_path):
    server.rate = 400_000
    script = "from helpers import data, features; features.build(data.load('ravdess'), 'cache', progress=False)"
    environment = {**os.environ, "PYTHONPATH": str(runtime.PROJECT)}
    rng = random.Random(2)
    for _ in range(4):
        before = server.sent
        process = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL)
        while server.sent == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.rate = None
    built = building.build(datasets.load("ravdess"), "cache", **QUIET)
    assert built.fingerprint() == undisturbed.fingerprint() and not media(tmp_path)
    # A process that is behind leaves what its socket holds unread when it is killed: 128 kB by Linux' default.
    assert server.sent <= least(archives) + 4 * 131_072, "only what was on the line at a kill comes twice"


def test_an_archive_that_cannot_be_had_is_named_and_the_clips_made_so_far_are_kept(server, undisturbed):
    few = ravdess_takes(undisturbed)
    server.faults["Video_Speech_Actor_02.zip"] = [("html",)]
    with pytest.raises(
        DownloadError,
        match=r"(?s)cannot be had from.*Video_Speech_Actor_02\.zip: a web page came.*set ROOT.*made so far are kept",
    ):
        building.build(few, "cache", **QUIET)
    assert len(list(pathlib.Path("cache").glob("faces-*/*.npz"))) == 4
    assert building.build(few, "cache", **QUIET).fingerprint() == undisturbed.fingerprint()


def test_a_reader_who_interrupts_waits_for_no_download(server, undisturbed):
    server.faults["Video_Speech_Actor_02.zip"] = [("status", 429, {"Retry-After": "60"})]
    plan = preprocess.Plan("cache", ("video", "audio"), VideoConfig(), AudioConfig())
    coming = ravdess_zenodo.fetched(
        list(ravdess_takes(undisturbed).itertuples()), plan.lacking, lambda rows: None, progress=False
    )
    assert {row.actor for row in next(coming)} == {1}
    while not any(name == "Video_Speech_Actor_02.zip" for name, _ in server.log):
        time.sleep(0.01)
    began = time.monotonic()
    coming.close()
    assert time.monotonic() - began < 1


def test_the_example_fetches_one_clip_alone(server, undisturbed):
    few = ravdess_takes(undisturbed)
    clip = building.example(few, few.emotion.iloc[0])
    assert sorted(map(str, media())) == sorted(
        str(pathlib.Path(p).relative_to(pathlib.Path.cwd())) for p in (clip.video_path, clip.audio_path)
    )


def test_clips_of_ones_own_are_never_deleted(archives, tmp_path):
    table = unpacked(archives, tmp_path)
    before = len(media(tmp_path))
    building.build(table.head(1), tmp_path / "cache", **QUIET)
    assert len(media(tmp_path)) == before
