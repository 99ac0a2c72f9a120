"""A file's identity: its name and a hash of all its content."""

import functools
import hashlib
import os
import pathlib


def source_key(path):
    """The name of a file's features in the cache: its stem and twelve hex digits of all its content.

    Two data sets may hold files of one name (the synthetic clips are named like RAVDESS'), and a clip may be replaced.
    """
    path, stamp = pathlib.Path(path), os.stat(path)
    return f"{path.stem}.{_blake2b(os.path.abspath(path), stamp.st_size, stamp.st_mtime_ns)}"


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
