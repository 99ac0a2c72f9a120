"""A file's identity: its name and a hash of all its content."""

import functools
import hashlib
import json
import os
import pathlib
import re

from helpers import runtime

LONGEST = 150  # bytes of a file's name in its features' names, which with their endings may have 255
_KEY = re.compile(r"[^/\\\x00]{1,150}\.[0-9a-f]{12}")


def source_key(path):
    """The name of a file's features in the cache: its stem and twelve hex digits of all its content.

    Two data sets may hold files of one name (the synthetic clips are named like RAVDESS'), and a clip may be replaced.
    """
    path, stamp = pathlib.Path(path), os.stat(path)
    stem = os.fsencode(path.stem)[:LONGEST].decode("utf-8", "ignore")
    return f"{stem}.{_blake2b(os.path.abspath(path), stamp.st_size, stamp.st_mtime_ns)}"


def notes_file(cache, path):
    """The file of a cache that notes the names of the entries of files which are not here: one a folder of clips."""
    return pathlib.Path(cache) / "seen" / f"{pathlib.Path(path).parent.name}.json"


def notes(file):
    """What such a file notes: {file's name: name of its entries}. What is damaged or no such name is passed over."""
    try:
        return checked(file.read_bytes())
    except FileNotFoundError:
        return {}


def checked(notes):
    """The content of such a file, bytes from anywhere, as a dict without what `source_key` does not make."""
    try:
        stored = json.loads(notes)
    except (ValueError, RecursionError):  # damaged: the clips are fetched once more
        return {}
    pairs = stored.items() if isinstance(stored, dict) else ()
    return {name: key for name, key in pairs if isinstance(key, str) and _KEY.fullmatch(key)}


def note(file, keys):
    """Adds `keys` to such a file."""
    before = notes(file)
    if before | keys != before:
        file.parent.mkdir(parents=True, exist_ok=True)
        with runtime.replacing(file) as out:
            out.write(json.dumps(before | keys, indent=0, sort_keys=True).encode())


def md5(path):
    """A file's MD5: 32 hex digits."""
    return _hex(path, hashlib.md5())


@functools.cache
def _blake2b(path, *_stamp):
    return _hex(path, hashlib.blake2b(digest_size=6))


def _hex(path, digest):
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
