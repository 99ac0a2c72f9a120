"""The package's layout: few names at the top, imports in one direction, nothing heavy at import."""

import ast
import os
import pathlib
import re
import subprocess
import sys

import nbformat
import pytest

from helpers.runtime import PROJECT

HELPERS = PROJECT / "helpers"
# Each may import what stands before it.
ORDER = ("config", "runtime", "evaluation", "data", "video", "audio", "features", "models", "training")
ORDER += ("plots", "predict", "beyond", "notebooks")
FILES = sorted(HELPERS.rglob("*.py"))


def module(path):
    """The dotted name of a file: helpers.data.download; a folder's is that of its __init__."""
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def imports(path, everywhere=True):
    """Dotted names below `helpers` that a file imports; with everywhere=False those at its top level alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if (PROJECT / name.replace(".", "/")).with_suffix(".py").is_file() else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "helpers")


def test_the_top_of_the_package_holds_at_most_thirteen_names():
    names = {path.name for path in HELPERS.iterdir()} - {"__init__.py", "__pycache__"}
    assert len(names) <= 13 and {name.removesuffix(".py") for name in names} == set(ORDER), sorted(names)


def test_the_package_stays_small():
    assert sum(len(path.read_text().splitlines()) for path in FILES) <= 10_960
    long = {module(path): len(path.read_text().splitlines()) for path in FILES}
    assert not {name: lines for name, lines in long.items() if lines > 450}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_file_imports_only_from_folders_that_stand_before_its_own(path):
    room = module(path).split(".")[1] if path.parent != HELPERS or path.stem != "__init__" else None
    for name in imports(path):
        other = name.split(".")[1] if "." in name else None
        if room and other and other != room:
            assert ORDER.index(other) < ORDER.index(room), f"{module(path)} imports {name}"


def test_no_file_is_imported_in_a_circle():
    graph = {module(path): set(imports(path, everywhere=False)) for path in FILES}

    def walk(name, trail):
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in graph.get(name, ()):
                walk(other, [*trail, name])
            done.add(name)

    done = set()
    for name in graph:
        walk(name, [])


def test_importing_the_package_and_its_folders_loads_nothing_heavy():
    heavy = ("keras", "tensorflow", "jax", "torch", "librosa", "cv2", "av", "dlib", "sklearn", "matplotlib", "gradio")
    folders = [path.name for path in HELPERS.iterdir() if (path / "__init__.py").is_file()]
    code = f"import sys; from helpers import {', '.join(folders)}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_every_name_that_a_folder_hands_on_is_there():
    code = "import importlib; folders = [importlib.import_module(f'helpers.{n}') for n in %r]\n"
    code += "for folder in folders:\n    [getattr(folder, name) for name in folder.__all__]\nprint('all there')"
    folders = [path.name for path in HELPERS.iterdir() if (path / "__init__.py").is_file()]
    quick = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", code % folders], cwd=PROJECT, env=quick, capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("all there"), done.stderr


@pytest.mark.parametrize("path", sorted((PROJECT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_imports_from_helpers_in_one_statement(path):
    code = "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code")
    statements = re.findall(r"^[ \t]*from helpers\b.*$|^[ \t]*import helpers\b.*$", code, re.M)
    assert len(statements) == 1, statements
    names = statements[0].split(" import ")[1].split(",")
    assert statements[0].startswith("from helpers import") and len(names) <= 10


def test_the_tests_mirror_the_package():
    tests = pathlib.Path(PROJECT / "tests")
    folders = {path.name for path in tests.iterdir() if any(path.glob("test_*.py"))} - {"fuzz"}
    assert folders <= {path.name for path in HELPERS.iterdir() if path.is_dir()}
    for path in set(tests.glob("*/test_*.py")) - set(tests.glob("fuzz/*")):
        assert (HELPERS / path.parent.name / f"{path.stem.removeprefix('test_')}.py").is_file(), path
