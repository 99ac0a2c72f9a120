"""States in which a cache or a run is found: whole files of another kind, of another run, or at the wrong place."""

import contextlib
import functools
import io
import json
import pathlib
import shutil
import tempfile
import warnings

import numpy as np
import soundfile

from helpers.config import SubsystemConfig, TrainConfig
from helpers.data import own_clips
from helpers.features import building
from helpers.features.feature_set import FeatureSet
from helpers.training import cross_validation
from helpers.training import folder as run_folder

RATE = 16_000
VALUES = (None, True, -1, 0, 10**9, 1e308, "", "x", [], {}, [[]], {"x": None})


def sound(path, seed, silence=RATE // 2):
    """A wav whose takes differ in their middle alone."""
    rng, still = np.random.default_rng(seed), np.full(silence, 0.001)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.concatenate([still, rng.normal(scale=0.1, size=RATE), still]), RATE)


def build(clips, cache):
    with contextlib.redirect_stderr(io.StringIO()):
        return building.build(own_clips.index(clips), cache, workers=1, progress=False, streams=("audio",))


def cache(seed, folder):
    """Whatever stands in the cache, a second build gives what the clips hold now."""
    rng, clips = np.random.default_rng(seed), folder / "clips"
    for n in range(4):
        sound(clips / ("calm", "happy")[n % 2] / f"{n}.wav", [seed, n])
    first = build(clips, folder / "cache")
    entry = sorted((folder / "cache").glob("mfcc-*/*.npz"))[rng.integers(4)]
    clip = next(clips.rglob(f"{entry.name.split('.')[0]}.wav"))
    kind = rng.integers(7)
    if kind == 0:
        entry.write_bytes(rng.bytes(int(rng.integers(2000))))
    elif kind == 1:  # another kind of array
        shapes = [(), (5,), (0, 13), (2, 3, 4)]
        np.savez(entry, values=np.zeros(shapes[rng.integers(len(shapes))], rng.choice(["f4", "f8", "i4", "U3"])))
    elif kind == 2:  # another take, of as many bytes
        sound(clip, [seed, 9])
    elif kind == 3:  # half arrives before, the rest later
        whole = clip.read_bytes()
        clip.write_bytes(whole[: int(rng.integers(len(whole)))])
        build(clips, folder / "cache")
        clip.write_bytes(whole)
    elif kind == 4:
        (entry.parent / "config.json").write_bytes(b"")
        entry.with_name(f".{entry.name}.elsewhere.1.tmp").write_bytes(b"Timeout")
    elif kind == 5:
        entry.unlink()
    else:
        np.savez(entry, other=np.zeros(3))
    again, fresh = build(clips, folder / "cache"), build(clips, folder / "fresh")
    assert again.fingerprint() == fresh.fingerprint() and not again.excluded, "the cache gives something else"
    assert (kind == 2) == (again.fingerprint() != first.fingerprint())


@functools.cache
def runs():
    """(features, {epochs: folder of a finished run of two folds})."""
    rng, label = np.random.default_rng(0), np.arange(24) % 2
    audio = (rng.normal(size=(24, 5, 3)) + 2 * label[:, None, None]).astype("float32")
    ids = np.array([f"clip{n:02}" for n in range(24)])
    fields = {"audio": audio, "audio_length": np.full(24, 5, "int32"), "classes": ("calm", "happy")}
    features, root = FeatureSet(clip_id=ids, label=label, actor=np.arange(24) // 4, **fields), tempfile.mkdtemp()
    return features, {n: train(features, pathlib.Path(root, str(n)), n).out for n in (1, 2)}


def train(features, out, epochs=1):
    options = {"train": TrainConfig(epochs=epochs, batch_size=8), "progress": False}
    options["audio"] = SubsystemConfig(cell="none", units=4, fc_units=4)
    return cross_validation.cross_validate(features, "audio", "random", 2, out=out, **options)


def put(rng, value, depth=3):
    """The value with one of those inside it replaced, or left out."""
    inside = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    if not inside or not depth or rng.random() < 0.2:
        return VALUES[rng.integers(len(VALUES))]
    name, old = inside[rng.integers(len(inside))]
    if isinstance(value, dict) and rng.random() < 0.2:
        return {other: kept for other, kept in inside if other != name}
    return dict(inside) | {name: put(rng, old, depth - 1)} if isinstance(value, dict) else [put(rng, old, depth - 1)]


def run(seed, folder):
    """A run is loaded and run as it was, or refused by a file's name."""
    rng, (features, made) = np.random.default_rng(seed), runs()
    out = pathlib.Path(shutil.copytree(made[1], folder / "audio"))
    want = cross_validation.load(out).summary()
    kind, k = rng.integers(6), rng.integers(1, 3)
    with contextlib.ExitStack() as stack:
        if kind == 0:  # a fold of other settings, or of another number
            source = made[2] / f"fold_{k}" if rng.random() < 0.5 else made[1] / f"fold_{3 - k}"
            shutil.rmtree(out / f"fold_{k}")
            shutil.copytree(source, out / f"fold_{k}")
        elif kind == 1:  # a state of other settings, where the configuration is lost
            shutil.rmtree(out / f"fold_{k}")
            (out / "config.json").unlink()
            about = json.dumps({"rows": [], "best": 1.0, "since": 0, "key": "01234567"})
            np.savez(out / f".fold_{k}.state.npz", about=about, **{f"v{n}": np.zeros(3) for n in range(40)})
        elif kind == 2:
            files = sorted(path for path in out.glob("fold_*/*") if path.suffix in (".csv", ".json"))
            files[rng.integers(len(files))].unlink()
        elif kind == 3:
            stack.enter_context(run_folder.held(out))
        else:
            path = out / ("config.json", "summary.json", f"fold_{k}/fold.json")[rng.integers(3)]
            path.write_text(json.dumps(put(rng, json.loads(path.read_text()))))
        for again in (cross_validation.load, lambda out: train(features, out)):
            try:
                with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                    warnings.simplefilter("ignore")
                    found = again(out).summary()
            except (ValueError, OSError) as error:
                assert str(out) in str(error) or "fold_" in str(error), error
            else:
                same = found["accuracy"] == want["accuracy"] and found["n"] == want["n"]
                assert same, f"{kind}: {found['n']} clips, {found['accuracy']}"
    assert all(path.name.startswith((".audio.", "audio")) for path in folder.iterdir())


def states(seed, folder):
    (cache if seed % 3 else run)(seed, folder)


CASES = {"caches": states}
