"""Damaged clips: real ones from EMOTION_SHARED_DATA where they are, else drawn ones."""

import contextlib
import functools
import os
import pathlib
import tempfile

import av
import numpy as np

from helpers.config import AudioConfig, VideoConfig
from helpers.data import synthetic
from helpers.data.exclusions import ClipError
from helpers.features import clip
from helpers.video import decoding

CONTAINERS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "ts": "mpegts", "flv": "flv", "avi": "avi", "nut": "nut"}
NAMES = [*CONTAINERS, "webm", "wav", "flac", "ogg", "mp3"]
LARGEST = 500_000  # bytes of a source: a case takes tenths of a second


@functools.cache
def sources():
    shared = pathlib.Path(os.environ.get("EMOTION_SHARED_DATA", "/nowhere"))
    real = [*sorted(shared.glob("ravdess_more/Actor_*/*.mp4")), *sorted(shared.glob("ravdess/Actor_01/*.flac"))[:8]]
    real = [path for path in real if path.stat().st_size <= LARGEST]
    with tempfile.TemporaryDirectory(prefix="fuzz-clips-") as folder:
        paths = [pathlib.Path(folder) / f"{fps}.mp4" for fps in (10, 30)]
        drawn = [synthetic.clip(path, "happy", 2, seconds=1.0, fps=int(path.stem)) for path in paths]
        return [(path.suffix, path.read_bytes()) for path in [*real, *drawn]]


def swapped(data, suffix, kind, folder):
    """The packets in another container; the bytes as they are where it cannot hold them."""
    source, target = folder / f"source{suffix}", folder / "target"
    source.write_bytes(data)
    with contextlib.suppress(av.FFmpegError, ValueError):
        with av.open(str(source)) as given, av.open(str(target), "w", format=kind) as out:
            streams = {stream.index: out.add_stream_from_template(stream) for stream in given.streams}
            for packet in given.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
        return target.read_bytes()
    return data


def clips(seed, folder):
    rng = np.random.default_rng(seed)
    suffix, data = sources()[rng.integers(len(sources()))]
    if rng.random() < 0.4:
        data = swapped(data, suffix, str(rng.choice(list(CONTAINERS.values()))), folder)
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, much = int(rng.integers(len(data))), int(rng.integers(1, 2000))
        near = int(rng.integers(min(len(data), 4096)))  # the header, where most harm is done
        match rng.choice(["flips", "header", "cut", "hole", "insertion", "copy"]):
            case "flips":
                for place in rng.integers(len(data), size=int(rng.integers(1, 200))):
                    data[place] ^= 1 << int(rng.integers(8))
            case "header":
                data[near] = int(rng.integers(256))
            case "cut":
                del data[max(at, 1) :]
            case "hole":
                del data[at : min(at + much, len(data) - 1)]
            case "insertion":
                data[at:at] = rng.bytes(much)
            case "copy":
                data[at:at] = data[near : near + much]
    path = folder / f"clip.{rng.choice(NAMES) if rng.random() < 0.3 else suffix[1:]}"
    path.write_bytes(data)
    before = set(folder.iterdir())
    with decoding.limits(seconds=120, pixels=4096 * 2304, total=120 * 30 * 1920 * 1080):
        made, errors = clip.extract({"video": path, "audio": path}, VideoConfig(), AudioConfig(), threads=1)
    for stream, error in errors.items():
        assert isinstance(error, ClipError) and str(error).startswith(f"{path.name}: "), (stream, error)
    assert set(made) | set(errors) == {"video", "audio"}
    if "audio" in made:
        features, _, samples, _ = made["audio"]
        assert np.isfinite(features).all() and np.isfinite(samples).all()
    if "video" in made:
        assert np.isfinite(made["video"].boxes).all() and (np.diff(made["video"].times) > 0).all()
    assert set(folder.iterdir()) == before


CASES = {"clips": clips}
