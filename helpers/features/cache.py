"""The cache on disk: one entry a file of a clip, keyed by its content and by the configuration that made it.

    cache/faces-<key>/<stem>.<digest>.npz      mfcc-<key>/….npz      vgg16-<key>/….npz
    cache/seen/Actor_05.json                   the entries' names of files that were deleted after use

Beside an entry that cannot be made lies a `.why` with the reason, so that no clip is tried twice in vain.
"""

import glob
import json
import os
import pathlib
import re
import time

import numpy as np

from helpers import config, runtime
from helpers.data import content

# Counted up when the way an entry is made changes, so that entries of two versions never mix.
_VERSIONS = {"faces": 3, "mfcc": 2, "vgg16": 2}
_ARRAYS = {"faces": {"frames", "found", "boxes", "times", "others"}, "mfcc": {"values"}, "vgg16": {"values"}}
_DAY = 86_400  # s


class DamagedEntry(ValueError):
    """An entry that is not what was written; `entry` is its path."""

    def __init__(self, entry, error):
        super().__init__(f"{entry} is damaged ({error}); delete it and build the features again")
        self.entry = entry


def key_of(cache, path):
    """The name of a file's entries, also where the file was deleted after use; None where it was never seen."""
    path = pathlib.Path(path)
    return content.source_key(path) if path.is_file() else content.notes(content.notes_file(cache, path)).get(path.name)


def remember(cache, paths):
    """Notes the names of the entries of files that will be deleted."""
    keys = {}
    for path in paths:
        keys.setdefault(content.notes_file(cache, path), {})[path.name] = content.source_key(path)
    for file, new in keys.items():
        content.note(file, new)


def folder(cache, kind, *configs):
    """The folder for one kind of entry made with these configurations, described in its config.json."""
    settings = {"kind": kind, "way": _VERSIONS[kind], "preprocessing": configs}
    path = pathlib.Path(cache) / f"{kind}-{config.key(settings)}"
    if not (path / "config.json").is_file():
        path.mkdir(parents=True, exist_ok=True)
        with runtime.replacing(path / "config.json") as file:
            file.write(json.dumps(config.as_dict(settings), indent=1).encode())
    return path


def save(entry, **arrays):
    """Writes an entry: a zip file, in which checksums let `load` notice a single changed byte."""
    with runtime.replacing(entry) as file:
        np.savez(file, **arrays)


def load(entry):
    """Reads an entry, {name: array} as `save` got them. Raises FileNotFoundError, DamagedEntry."""
    try:
        with np.load(entry, allow_pickle=False) as stored:
            arrays = dict(stored)
        if arrays.keys() != _ARRAYS.get(entry.parent.name.split("-")[0], arrays.keys()):
            raise ValueError(f"it holds {', '.join(arrays) or 'nothing'}")
        values = arrays.get("values", np.zeros((1, 1), np.float32))  # faces have none
        if values.ndim != 2 or not values.size or values.dtype != np.float32:
            raise ValueError(f"its values are {values.dtype} {values.shape}")
        return arrays
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever numpy, zipfile and zlib raise over a damaged file
        raise DamagedEntry(entry, error) from error


def reject(entry, reason):
    """Notes why an entry cannot be made."""
    with runtime.replacing(entry.with_suffix(".why")) as file:
        file.write(reason.encode())


def rejection(entry):
    """Why an entry cannot be made, as `reject` noted it; "" where it did not."""
    reason = entry.with_suffix(".why")
    return reason.read_text("utf-8", "replace") if reason.is_file() else ""


def mark(entry):
    """Marks an entry as being made by this process, until `save`: a process that dies leaves the mark.

    Returns the mark's path, the temporary file of `save`; `marks` reads what else is written into it.
    """
    path = runtime.temporary_path(entry)
    path.touch()
    return path


def marks(entry):
    """The content of each mark that was left on the entry: list of bytes."""
    return [path.read_bytes() for path in entry.parent.glob(f".{glob.escape(entry.name)}.*.tmp")]


def delete_leftovers(folder):
    """Deletes the temporary files of dead processes: this machine's, and another's that are older than a day."""
    for path in folder.glob(".*.tmp"):
        name = re.fullmatch(r"\..+\.([A-Za-z0-9-]+)\.(\d+)\.tmp", path.name)
        if name:  # else not ours
            old = path.stat().st_mtime < time.time() - _DAY
            if not alive(int(name[2])) if name[1] == runtime.HOST else old:
                path.unlink(missing_ok=True)


def alive(pid):
    """True while a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
