"""The cache on disk: one entry a file of a clip, keyed by its content and by the configuration that made it.

    cache/faces-<key>/<stem>.<digest>.npz      mfcc-<key>/….npy      vgg16-<key>/….npy
    cache/seen/Actor_05.json                   the digests of files that were let go after use

Beside an entry that cannot be made lies a `.why` with the reason, so that no clip is tried twice in vain.
"""

import glob
import hashlib
import json
import os
import pathlib
import platform
import re

from helpers import config

# Counted up when the way an entry is made changes, so that entries of two ways never mix.
_WAYS = {"faces": 2, "mfcc": 1, "vgg16": 2}
_SAMPLE = 16_384  # bytes of a file's beginning and end that its name in the cache depends on


def source_key(path):
    """A file's name in the cache: its stem and twelve hex digits of its content.

    Two data sets may hold files of one name (the synthetic clips are named like RAVDESS'), and a clip may be replaced;
    size, first and last 16 kB tell them apart without reading gigabytes.
    """
    path = pathlib.Path(path)
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, max(0, size - _SAMPLE)):
            file.seek(start)
            digest.update(file.read(_SAMPLE))
    return f"{path.stem}.{digest.hexdigest()[:12]}"


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
    return json.loads(file.read_text()) if file.is_file() else {}


def folder(cache, kind, *configs):
    """The folder for one kind of entry made with these configurations, described in its config.json."""
    settings = {"kind": kind, "way": _WAYS[kind], "made_with": [config.as_dict(c) for c in configs]}
    place = pathlib.Path(cache) / f"{kind}-{config.key(settings)}"
    if not (place / "config.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        write(place / "config.json", lambda file: file.write(json.dumps(settings, indent=1).encode()))
    return place


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
    """Marks an entry as being made by this process, until `write` or `release`: a process that dies leaves the mark."""
    _temporary(path).touch()


def release(path):
    """Takes this process' mark off."""
    _temporary(path).unlink(missing_ok=True)


def claimed(path):
    """True where a mark on the entry was left."""
    return any(path.parent.glob(f".{glob.escape(path.name)}.*.tmp"))


def sweep(place):
    """Deletes what processes of this machine left in a folder when they died."""
    for path in place.glob(".*.tmp"):
        host, pid = path.name.removesuffix(".tmp").rsplit(".", 2)[1:]
        if host == _HOST and not alive(int(pid)):
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
    return reason.read_text() if reason.is_file() else ""


def refuse(entry, reason):
    """Notes why an entry cannot be made."""
    write(entry.with_suffix(".why"), lambda file: file.write(reason.encode()))
