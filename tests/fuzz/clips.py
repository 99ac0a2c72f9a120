"""Clips with something wrong in them: read, or refused with a reason."""

import functools
import os
import pathlib
import tempfile
import time

import numpy as np

from helpers.config import AudioConfig, VideoConfig
from helpers.data import synthetic
from helpers.features import clip as clip_features

SECONDS = 120  # for one clip, decoding and finding faces
ENDINGS = (".mp4", ".avi", ".mkv", ".mov", ".wav", ".flac", ".mp3", ".ogg")
CONFIGS = VideoConfig(), AudioConfig()


@functools.cache
def originals():
    """Real clips where EMOTION_SHARED_DATA has some, and drawn ones: list of (ending, bytes)."""
    found = [*pathlib.Path(os.environ.get("EMOTION_SHARED_DATA", "/nowhere")).glob("ravdess/*/0*")][:40:4]
    with tempfile.TemporaryDirectory() as folder:
        for actor, emotion in ((1, "happy"), (2, "sad")):
            found.append(synthetic.clip(pathlib.Path(folder) / f"{emotion}.mp4", emotion, actor, seconds=1.2))
        return [(path.suffix, path.read_bytes()) for path in found]


def clip(seed, folder):
    """A damaged clip is read or refused, with a reason in words."""
    rng = np.random.default_rng(seed)
    ending, content = originals()[rng.integers(len(originals()))]
    data = bytearray(content)
    kind = rng.integers(5)
    if kind == 0:  # bytes flipped, anywhere or in the header
        reach = len(data) if rng.random() < 0.5 else min(4096, len(data))
        for at in rng.integers(reach, size=rng.integers(1, 30)):
            data[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:  # cut off
        del data[int(rng.integers(len(data))) :]
    elif kind == 2:  # something put in
        at = int(rng.integers(len(data)))
        data[at:at] = rng.bytes(int(rng.integers(1, 5000)))
    elif kind == 3:  # a piece of another file in the middle
        other = originals()[rng.integers(len(originals()))][1]
        at = int(rng.integers(min(len(data), len(other))))
        data[at : at + 20_000] = other[at : at + 20_000]
    if kind == 4 or rng.random() < 0.2:  # named as another kind of file
        ending = str(rng.choice(ENDINGS))
    path = folder / f"broken{ending}"
    path.write_bytes(data)
    paths = {"video": str(path), "audio": str(path)} if ending not in (".wav", ".flac") else {"audio": str(path)}
    start = time.monotonic()
    made, reasons = clip_features.extract(paths, *CONFIGS)
    assert time.monotonic() - start < SECONDS, f"{time.monotonic() - start:.0f} s"
    for stream in paths:
        assert stream in made or str(reasons[stream]).startswith(path.name), f"{stream}: neither read nor refused"
    for stream in made.keys() & {"audio"}:
        assert np.isfinite(made[stream][0]).all()
    assert [each.name for each in folder.iterdir()] == [path.name]


CASES = {"clips": clip}
