"""The cache on disk: one entry a file of a clip, keyed by its content and by the configuration that made it.

    cache/faces-<key>/<stem>.<digest>.npz      mfcc-<key>/….npz      vgg16-<key>/….npz
    cache/seen/Actor_05.json                   the digests of files that were let go after use

Beside an entry that cannot be made lies a `.why` with the reason, so that no clip is tried twice in vain.
"""

import glob
import json
import os
import pathlib
import platform
import re
import time

import numpy as np

from helpers import config
from helpers.data.content import source_key

# Counted up when the way an entry is made changes, so that entries of two ways never mix.
_WAYS = {"faces": 2, "mfcc": 2, "vgg16": 2}
_DAY = 86_400  # s after which what another machine left is taken for dead


class DamagedEntry(ValueError):
    """An entry that is not what was written. `entry` is its path."""

    def __init__(self, entry, error):
        super().__init__(f"{entry} is damaged ({error}); delete it and build the features again")
        self.entry = entry


def key_of(cache, path):
    """A file's name in the cache, also if the file was let go after use; None where it was never seen."""
    path = pathlib.Path(path)
    return source_key(path) if path.is_file() else _seen(cache, path).get(path.name)


def remember(cache, paths):
    """Notes the names in the cache of files that will be deleted."""
    for folder in {pathlib.Path(path).parent for path in paths}:
        keys = {path.name: source_key(path) for path in map(pathlib.Path, paths) if path.parent == folder}
        known = _seen(cache, folder / "any")
        if keys.items() - known.items():
            text = json.dumps(known | keys, indent=0, sort_keys=True)
            _seen_file(cache, folder / "any").parent.mkdir(parents=True, exist_ok=True)
            write(_seen_file(cache, folder / "any"), lambda file, text=text: file.write(text.encode()))


def _seen_file(cache, path):
    return pathlib.Path(cache) / "seen" / f"{path.parent.name}.json"


def _seen(cache, path):
    file = _seen_file(cache, path)
    try:
        return json.loads(file.read_bytes()) if file.is_file() else {}
    except ValueError:  # damaged: the files are brought once more
        return {}


def folder(cache, kind, *configs):
    """The folder for one kind of entry made with these configurations, described in its config.json."""
    settings = {"kind": kind, "way": _WAYS[kind], "preprocessing": configs}
    place = pathlib.Path(cache) / f"{kind}-{config.key(settings)}"
    if not (place / "config.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        write(place / "config.json", lambda file: file.write(json.dumps(config.as_dict(settings), indent=1).encode()))
    return place


def save(entry, **arrays):
    """Writes an entry. It is a zip file, whose checksums tell `load` of a single changed byte."""
    write(entry, lambda file: np.savez(file, **arrays))


def load(entry):
    """Reads an entry.

    Args:
        entry: path.

    Returns:
        {name: array}, as `save` got them.

    Raises:
        FileNotFoundError: it was not made.
        DamagedEntry: it is not what was written.
    """
    try:
        with np.load(entry, allow_pickle=False) as stored:
            return dict(stored)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever numpy, zipfile and zlib raise over a damaged file
        raise DamagedEntry(entry, error) from error


def write(path, save):
    """Calls `save(open binary file)` on a temporary name, then renames: `path` is whole or not there."""
    temporary = _temporary(path)
    try:
        with open(temporary, "wb") as file:
            save(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def claim(path):
    """Marks an entry as being made by this process, until `write` or `release`: a process that dies leaves the mark.

    Returns:
        the mark's path; what is written into it is there for `marks`.
    """
    _temporary(path).touch()
    return _temporary(path)


def release(path):
    """Takes this process' mark off."""
    _temporary(path).unlink(missing_ok=True)


def marks(path):
    """The content of each mark that was left on the entry: list of bytes."""
    return [mark.read_bytes() for mark in path.parent.glob(f".{glob.escape(path.name)}.*.tmp")]


def sweep(place):
    """Deletes what processes left in a folder when they died: this machine's, and others' that is older than a day."""
    for path in place.glob(".*.tmp"):
        named = re.fullmatch(r"\..+\.([A-Za-z0-9-]+)\.(\d+)\.tmp", path.name)
        if not named:
            continue  # not ours
        here = named[1] == _HOST
        if not alive(int(named[2])) if here else path.stat().st_mtime < time.time() - _DAY:
            path.unlink(missing_ok=True)


_HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node()) or "here"


def _temporary(path):
    return path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.tmp")


def alive(pid):
    """True while a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def why(entry):
    """Why an entry could not be made, "" where nothing is known against it."""
    reason = entry.with_suffix(".why")
    return reason.read_text("utf-8", "replace") if reason.is_file() else ""


def refuse(entry, reason):
    """Notes why an entry cannot be made."""
    write(entry.with_suffix(".why"), lambda file: file.write(reason.encode()))
