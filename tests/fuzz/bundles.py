"""Model files with something wrong in them: refused by name, or answered with numbers."""

import functools
import io
import json
import pathlib
import resource
import tempfile
import time
import zipfile

import numpy as np

from helpers.data import synthetic
from helpers.data.exclusions import ClipError
from helpers.predict import exporting, pooled
from helpers.predict import predictor as predict

EARLIER = pathlib.Path(__file__).parents[1] / "earlier"
SECONDS, MEGABYTES = 60, 1500  # at most, for one file and its answer
NUMBERS = (0, -1, 2, 0.5, 7, 99, 10**6, 10**12, 1e308, -1e308, float("nan"), float("inf"), True)
OTHERS = (None, "", "x" * 100_000, "$a$", [], {}, [1] * 5000, [[[]]], "../../etc/passwd", ["happy"] * 8)


@functools.cache
def originals():
    """The files that are damaged, a list of bytes: formats 1, 2 and 3; and a clip that is answered."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        second = exporting.export(EARLIER / "audio", folder / "audio.zip", fold=None)
        third = exporting.export(EARLIER / "fusion", folder / "fusion.zip")
        clip = synthetic.clip(folder / "clip.mp4", "happy", 3, seconds=1.0)
        paths = (EARLIER / "fusion.zip", second, third, pooled.FILE)
        return [path.read_bytes() for path in paths], clip.read_bytes()


def bundle(seed, folder):
    """One damaged file is loaded, and answers a clip where that works."""
    rng, (files, clip) = np.random.default_rng(seed), originals()
    content = files[rng.integers(len(files))]
    damage = [damaged, members_changed, number_changed, number_changed, array_changed, array_changed][rng.integers(6)]
    path, source = pathlib.Path(folder) / "model.zip", pathlib.Path(folder) / "clip.mp4"
    path.write_bytes(damage(rng, content))
    source.write_bytes(clip)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        prediction = predict.Predictor.load(path).predict(source)
    except ClipError as error:
        assert str(error).startswith("clip.mp4: "), error
    except (ValueError, OSError) as error:
        assert str(error).startswith("model.zip ") or "VGG16's weights" in str(error), repr(error)
        assert len(str(error)) < 500, f"{len(str(error))} characters"
    else:
        values = [*prediction.probabilities.values(), *(v for s in prediction.streams.values() for v in s.values())]
        assert np.isfinite(values).all() and np.isclose(sum(prediction.probabilities.values()), 1), values
    assert time.monotonic() - start < SECONDS, f"{time.monotonic() - start:.0f} s"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEGABYTES, f"{grown:.0f} MB"
    assert {p.name for p in pathlib.Path(folder).iterdir()} == {"model.zip", "clip.mp4"}


def damaged(rng, content):
    """Bytes flipped, cut off or put in."""
    data, at = bytearray(content), int(rng.integers(len(content)))
    kind = rng.integers(3)
    if kind == 0:
        for place in rng.integers(len(data), size=rng.integers(1, 20)):
            data[place] ^= 1 << rng.integers(8)
        return bytes(data)
    return bytes(data[:at]) if kind == 1 else bytes(data[:at] + rng.bytes(rng.integers(1, 1000)) + data[at:])


def read(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def written(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def members_changed(rng, content):
    """A member left out, renamed, or its content that of another."""
    members, kind = read(content), rng.integers(3)
    first, second = rng.integers(len(members), size=2)
    if kind == 0:
        del members[first]
    elif kind == 1:
        names = ("../evil.npy", "/etc/x.json", "bundle.json2", "audio/fold_99/0.npy", "face/x.npy")
        members[first] = names[rng.integers(len(names))], members[first][1]
    else:
        members[first] = members[first][0], members[second][1]
    return written(members)


def places(value):
    """Each (container, key) in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from places(inner)


def number_changed(rng, content):
    """One to three values of a JSON member are others, or gone."""
    members = read(content)
    described = [n for n, (name, _) in enumerate(members) if name.endswith(".json")]
    chosen = described[rng.integers(len(described))]
    value = json.loads(members[chosen][1])
    for _ in range(rng.integers(1, 4)):
        found = list(places(value))
        container, key = found[rng.integers(len(found))]
        kind = rng.integers(4)
        if kind == 0 and isinstance(container, dict):
            del container[key]
        else:
            container[key] = NUMBERS[rng.integers(len(NUMBERS))] if kind < 3 else OTHERS[rng.integers(len(OTHERS))]
    members[chosen] = members[chosen][0], json.dumps(value).encode()
    return written(members)


def array_changed(rng, content):
    """Arrays of other values, shapes or types."""
    members = read(content)
    arrays = [n for n, (name, _) in enumerate(members) if name.endswith((".npy", ".weights"))]
    for chosen in rng.choice(arrays, min(len(arrays), rng.integers(1, 20)), replace=False):
        name, content = members[chosen]
        raw = not name.endswith(".npy")
        array = np.frombuffer(content, "<f4") if raw else np.load(io.BytesIO(content))
        odd = rng.random(array.shape) < 0.3
        changed = [
            lambda a, odd: a * a.dtype.type(10.0 ** rng.integers(-30, 5)),
            lambda a, odd: np.where(odd, a.dtype.type(rng.choice([np.nan, np.inf, -1, 0, 6e4])), a),
            lambda a, odd: np.where(odd, np.float32(rng.choice([9e8, -9e8, 3e38])), a).astype("<f4"),
            lambda a, odd: -a,
            lambda a, odd: a.astype("<f8"),
            lambda a, odd: a.reshape(-1),
            lambda a, odd: np.concatenate([a, a]) if a.ndim else a,
        ][rng.integers(7)](array, odd)
        buffer = io.BytesIO()
        np.save(buffer, changed)
        members[chosen] = name, changed.astype("<f4").tobytes() if raw else buffer.getvalue()
    return written(members)


CASES = {"bundles": bundle}
