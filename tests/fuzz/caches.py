"""Single cache entries, notes and mirrors with something wrong in them: told, and nothing outside the cache is read."""

import numpy as np

from helpers.config import AudioConfig
from helpers.data import content, mirror
from helpers.features import cache


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


CASES = {"cache entries": entry, "notes and mirrors": notes}
