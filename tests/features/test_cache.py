import os
import pathlib
import subprocess
import time

import numpy as np
import pytest

from helpers.config import AudioConfig
from helpers.data import content, mirror
from helpers.features import cache


def test_no_changed_byte_of_an_entry_goes_unseen(tmp_path):
    entry = tmp_path / "a.npz"
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    cache.save(entry, values=values)
    whole, told = entry.read_bytes(), 0
    for at in range(len(whole)):
        entry.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            assert np.array_equal(cache.load(entry)["values"], values), f"byte {at}"
        except cache.DamagedEntry as error:
            assert error.entry == entry
            told += 1
        except KeyError:
            told += 1  # the array's name
    assert told > values.nbytes


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"garbage" * 99, b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_entry_is_called_damaged_by_name(content, tmp_path):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(cache.DamagedEntry, match=r"a\.npz is damaged"):
        cache.load(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError):
        cache.load(tmp_path / "b.npz")


@pytest.mark.parametrize("values", [np.zeros(()), np.zeros((0, 13), np.float32), np.zeros((3, 13)), np.zeros(5, "U3")])
def test_a_whole_entry_of_another_shape_or_type_is_called_damaged(values, tmp_path):
    cache.save(tmp_path / "a.npz", values=values)
    with pytest.raises(cache.DamagedEntry, match=r"a\.npz is damaged \(its values are "):
        cache.load(tmp_path / "a.npz")


def test_every_entry_that_the_suite_carries_is_read(tmp_path):
    mirror.unpack(pathlib.Path(__file__).parents[2] / "samples" / "ravdess_mfcc.zip", tmp_path)
    entries = list(tmp_path.glob("mfcc-*/*.npz"))
    assert len(entries) == 1440 and all(cache.load(entry)["values"].shape[1] == 13 for entry in entries)


def test_a_clip_that_differs_only_in_its_middle_has_another_name(tmp_path):
    """Two takes may begin and end with the same silence."""
    path = tmp_path / "a.wav"
    silence = bytes(50_000)
    keys = set()
    for number, middle in enumerate((b"one", b"two")):
        path.write_bytes(silence + middle + silence)
        os.utime(path, (number, number))
        keys.add(content.source_key(path))
    assert len(keys) == 2


def test_leftovers_of_a_dead_process_are_deleted_and_files_of_a_living_one_are_not(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = cache.mark(tmp_path / "mine.npz")
    other = tmp_path / left.name.replace(str(os.getpid()), str(dead.pid)).replace("mine", "theirs")
    other.touch()
    cache.delete_leftovers(tmp_path)
    assert left.exists() and not other.exists()
    assert cache.marks(tmp_path / "mine.npz") == [b""]
    cache.save(tmp_path / "mine.npz", values=np.zeros(1))
    assert not left.exists() and not cache.marks(tmp_path / "mine.npz")


def test_leftovers_of_another_machine_are_deleted_after_a_day_and_foreign_files_never(tmp_path):
    new, old = (tmp_path / f".{name}.npz.elsewhere.12.tmp" for name in ("new", "old"))
    foreign = [tmp_path / name for name in (".DS_Store", ".nfs0001", ".x.tmp", ".a.b.c.tmp")]
    for path in (new, old, *foreign):
        path.touch()
    for path in (old, *foreign):
        os.utime(path, 2 * (time.time() - 90_000,))
    cache.delete_leftovers(tmp_path)
    assert new.exists() and not old.exists() and all(path.exists() for path in foreign)


def test_a_damaged_note_of_deleted_files_counts_as_none(tmp_path):
    clip = tmp_path / "Actor_05" / "a.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"a clip")
    cache.remember(tmp_path, [clip])
    key = content.source_key(clip)
    clip.unlink()
    assert cache.key_of(tmp_path, clip) == key
    (tmp_path / "seen" / "Actor_05.json").write_text("")
    assert cache.key_of(tmp_path, clip) is None


def test_an_entry_with_other_arrays_is_damaged(tmp_path):
    entry = cache.folder(tmp_path, "mfcc", AudioConfig()) / "a.000000000000.npz"
    cache.save(entry, other=np.zeros(3))
    with pytest.raises(cache.DamagedEntry, match="it holds other"):
        cache.load(entry)
