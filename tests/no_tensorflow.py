"""Hides TensorFlow from a Python process as if it were not installed, which Colab's TPU runtime looks like."""

CODE = """
import importlib.machinery

_find = importlib.machinery.PathFinder.find_spec


def _without(name, path=None, target=None):
    return None if name.split(".")[0] == "tensorflow" else _find(name, path, target)


importlib.machinery.PathFinder.find_spec = staticmethod(_without)
"""


def hide(folder):
    """Writes a sitecustomize.py into `folder`; with that first on PYTHONPATH there is no TensorFlow."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(CODE)
    return folder
