"""Caches and runs' folders with something wrong in them: made again, or refused by name."""

import functools
import pathlib
import shutil
import tempfile

import numpy as np

from helpers.config import AudioConfig, SubsystemConfig, TrainConfig
from helpers.data import content, mirror
from helpers.features import cache
from helpers.features.feature_set import FeatureSet
from helpers.training import cross_validation


def spoil(rng, path):
    """Empties, cuts, flips, or replaces a file."""
    data = bytearray(path.read_bytes())
    kind = rng.integers(5)
    if kind == 0:
        data = b""
    elif kind == 1:
        data = data[: int(rng.integers(len(data)))]
    elif kind == 2:
        for at in rng.integers(len(data), size=rng.integers(1, 6)):
            data[at] ^= 1 << int(rng.integers(8))
    elif kind == 3:
        data = rng.bytes(int(rng.integers(1, 3000)))
    else:
        data = rng.choice([b"{}", b"[]", b"null", b"[" * 50_000, b'{"a": 1}', b"\xff\xfe"])
    path.write_bytes(bytes(data))


def entry(seed, folder):
    """A damaged entry is told; one that is read is what was written."""
    rng = np.random.default_rng(seed)
    path = cache.folder(folder, "mfcc", AudioConfig()) / "a.000000000000.npz"
    values = rng.normal(size=(20, 13)).astype(np.float32)
    cache.save(path, values=values)
    spoil(rng, path)
    try:
        assert np.array_equal(cache.load(path)["values"], values), "another value was read"
    except cache.DamagedEntry as error:
        assert error.entry == path


def notes(seed, folder):
    """Damaged notes lead to no file outside the cache; a damaged mirror is reported."""
    rng = np.random.default_rng(seed)
    file = content.notes_file(folder / "cache", "Actor_01/a.wav")
    content.note(file, {"a.wav": "a.000000000000", "b.wav": "b.000000000000"})
    cache.save(cache.folder(folder / "cache", "mfcc", AudioConfig()) / "a.000000000000.npz", values=np.zeros((3, 13)))
    if rng.random() < 0.5:
        spoil(rng, file)
        key = cache.key_of(folder / "cache", "Actor_01/a.wav")
        assert key is None or ("/" not in key and key[-13] == "."), key
        return
    mirror.pack(folder / "cache", folder / "a.zip")
    spoil(rng, folder / "a.zip")
    said = []
    mirror.restore(folder / "a.zip", folder / "other", tell=said.append)
    assert len(said) == 1 and "a.zip" in said[0], said
    assert {path.name for path in folder.iterdir()} == {"cache", "other", "a.zip"}


@functools.cache
def finished():
    """A run of two folds: (features, its folder, its summary)."""
    rng = np.random.default_rng(0)
    label = np.arange(24) % 2
    audio = (rng.normal(size=(24, 5, 3)) + 2 * label[:, None, None]).astype("float32")
    ids = np.array([f"clip{n:02}" for n in range(24)])
    fields = {"audio": audio, "audio_length": np.full(24, 5, "int32"), "classes": ("calm", "happy")}
    features = FeatureSet(clip_id=ids, label=label, actor=np.arange(24) // 4, **fields)
    folder = pathlib.Path(tempfile.mkdtemp()) / "audio"
    return features, folder, train(features, folder).summary()


def train(features, out):
    settings = {"train": TrainConfig(epochs=1, batch_size=8), "progress": False}
    settings["audio"] = SubsystemConfig(cell="none", units=4, fc_units=4)
    return cross_validation.cross_validate(features, "audio", "random", 2, out=out, **settings)


def run(seed, folder):
    """A finished run with a damaged file ends as it was, or says which file is damaged; loading it likewise."""
    rng, (features, source, summary) = np.random.default_rng(seed), finished()
    out = folder / "audio"
    shutil.copytree(source, out)
    names = ["config.json", "summary.json", "fold_1/predictions.csv", "fold_2/fold.json", "fold_2/history.csv"]
    path = out / names[rng.integers(len(names))]
    spoil(rng, path)
    for again in (cross_validation.load, lambda out: train(features, out)):
        try:
            found = again(out).summary()
        except (ValueError, FileNotFoundError) as error:
            assert str(out) in str(error) or "fold_" in str(error), error
        else:
            assert found["accuracy"] == summary["accuracy"] and found["n"] == summary["n"], path.name


CASES = {"cache entries": entry, "notes and mirrors": notes, "runs": run}
