"""What a file is known by: its name and a hash of all its content."""

import functools
import hashlib
import os
import pathlib


def source_key(path):
    """The name that a file's features have in the cache: its stem and twelve hex digits of all its content.

    Two data sets may hold files of one name (the synthetic clips are named like RAVDESS'), and a clip may be replaced.
    """
    path, stamp = pathlib.Path(path), os.stat(path)
    return f"{path.stem}.{_digest(os.path.abspath(path), stamp.st_size, stamp.st_mtime_ns)}"


@functools.cache
def _digest(path, *_stamp):
    digest = hashlib.blake2b(digest_size=6)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
