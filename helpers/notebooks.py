"""Runs notebooks with other values for their parameters, and stamps where they are published.

python -m helpers.notebooks run [--set NAME=VALUE …] [--out DIR] NOTEBOOK…
python -m helpers.notebooks publish OWNER/NAME
"""

import argparse
import ast
import os
import pathlib
import re
import sys
import time

from helpers import runtime

_NAME = r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+"
_HOME = re.compile(rf'(?<=Repository = "https://github\.com/)({_NAME})(?=")')  # in pyproject.toml
_BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
_BADGE += "(https://colab.research.google.com/github/{}/blob/main/notebooks/{})"
_ROW = re.compile(r"^(\| \[[^]]+\]\(notebooks/([^)]+)\))(?: \[!\[Open in Colab\]\S+)?", re.MULTILINE)
_BLOCK = re.compile(r"<!-- (unpublished|published) -->.*?<!-- /\1 -->", re.DOTALL)
_PUBLISHED = """<!-- published -->
[![tests](https://github.com/{repo}/actions/workflows/tests.yml/badge.svg)](https://github.com/{repo}/actions)
[All pages and executed notebooks as a site](https://{owner}.github.io/{name}/)
<!-- /published -->"""


class NotebookError(RuntimeError):
    """A notebook cannot be run, or stopped at an error; the message shows the cell and its traceback."""


def _assigned(cell):
    if "parameters" not in cell.metadata.get("tags", []):
        return {}
    nodes = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)]
    return {n.targets[0].id: ast.unparse(n.value) for n in nodes if isinstance(n.targets[0], ast.Name)}


def parameters(notebook):
    """The names that the notebook's cells tagged `parameters` assign: {name: value as written}."""
    names = {name: value for cell in notebook.cells for name, value in _assigned(cell).items()}
    if not names:
        raise NotebookError("no cell is tagged `parameters`; at least one is needed")
    return names


def put_in(notebook, settings):
    """Inserts settings, {NAME: value}, each after the cell tagged `parameters` that assigns it; others are ignored."""
    import nbformat

    parameters(notebook)
    for at, cell in reversed(list(enumerate(notebook.cells))):
        if lines := [f"{name} = {settings[name]!r}" for name in _assigned(cell) if name in settings]:
            notebook.cells.insert(at + 1, nbformat.v4.new_code_cell("\n".join(lines)))


def _read(path):
    """The notebook at `path`; NotebookError where there is none."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise NotebookError(f"no notebook at {path}") from error
    except Exception as error:
        raise NotebookError(f"{path} is not a notebook ({error})") from error


def run(path, settings=None, cwd=None, out=None, tell=print):
    """Runs one notebook from top to bottom and returns the executed copy (nbformat.NotebookNode).

    Args:
        path: the .ipynb file; it is not changed.
        settings: {NAME: value}, as in `put_in`.
        cwd: folder the kernel works in; the current one by default.
        out: folder for the executed copy, also after an error; None keeps none.
        tell: called with lines of progress.
    Raises NotebookError: the first cell that fails; shows it and its traceback.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    path = pathlib.Path(path)
    notebook = _read(path)
    put_in(notebook, settings or {})
    started, code_cells = time.perf_counter(), sum(cell.cell_type == "code" for cell in notebook.cells)
    numbers = iter(range(1, code_cells + 1))

    def on_cell(cell, cell_index):
        if cell.cell_type == "code":
            first = next((line for line in cell.source.splitlines() if line.strip()), "")
            tell(f"  {time.perf_counter() - started:5.0f} s  cell {next(numbers)}/{code_cells}  {first[:80]}")

    # A kernel of this very Python, which finds `helpers` wherever it works.
    folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(runtime.PROJECT), *folders]))
    options = {"kernel_name": "python3", "resources": {"metadata": {"path": str(cwd or pathlib.Path.cwd())}}}
    options["extra_arguments"] = ["--log-level=ERROR"]  # the kernel's own start-up notes are not the reader's business
    options["coalesce_streams"] = True  # of a progress bar its last state alone
    client = NotebookClient(notebook, timeout=None, on_cell_execute=on_cell, **options)
    try:
        client.execute()
    except (CellExecutionError, DeadKernelError) as error:
        raise NotebookError(f"{path.name} stopped:\n{error}") from error
    finally:
        if out:
            pathlib.Path(out).mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, pathlib.Path(out) / path.name)
    tell(f"{path.name}: {time.perf_counter() - started:.0f} s")
    return notebook


def setting(words):
    """Parses NAME=VALUE to (name, value), the value as a Python literal or else as text."""
    name, equals, value = words.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{words!r} is not NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def stamp(repo, project=runtime.PROJECT):
    """Writes where the suite is published, owner/name on GitHub, into all that names it; can be repeated.

    That is pyproject.toml, CITATION.cff, the site, the notebooks' set-up cells, and the buttons that open the
    notebooks in Colab, which README and notebooks do without before. Returns the files changed.
    """
    if not re.fullmatch(_NAME, repo):
        raise ValueError(f"{repo!r} is not owner/name, such as ada/emotion-notebooks")
    project = pathlib.Path(project)
    paths = [project / name for name in ("pyproject.toml", "README.md", "CITATION.cff", "docs/conf.py")]
    paths += sorted((project / "notebooks").glob("*.ipynb"))
    before = {path: path.read_text(encoding="utf-8") for path in paths}
    current, changed = _HOME.search(before[paths[0]])[1], []
    for path, text in before.items():
        after = text.replace(current, repo)
        if path.name == "README.md":
            owner, name = repo.split("/")
            after = _BLOCK.sub(_PUBLISHED.format(repo=repo, owner=owner, name=name), after)
            after = _ROW.sub(lambda row: f"{row[1]} {_BADGE.format(repo, row[2])}", after)
        if path.suffix == ".ipynb":
            after = _with_badge(after, _BADGE.format(repo, path.name))
        if after != text:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed


def _with_badge(text, badge):
    """A notebook's JSON with the button between its title and the rest of its first cell."""
    import nbformat

    notebook = nbformat.reads(text, as_version=4)
    title, rest = notebook.cells[0].source.split("\n\n", 1)
    if rest.startswith("[![Open in Colab]"):
        rest = rest.split("\n\n", 1)[1]
    notebook.cells[0].source = "\n\n".join([title, badge, rest])
    return nbformat.writes(notebook) + "\n"


def main(arguments=None):
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.notebooks", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run", help="run notebooks in the order given; stops at the first error")
    command.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE", dest="settings")
    command.add_argument("--out", metavar="DIR", help="keep the executed copies here")
    command.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    commands.add_parser("publish", help="write owner/name into badges and set-up cells").add_argument("repo")
    options = parser.parse_args(arguments)
    if options.command == "publish":
        try:
            print(*(f"stamped {path.relative_to(runtime.PROJECT)}" for path in stamp(options.repo)), sep="\n")
        except ValueError as error:
            sys.exit(str(error))
        return 0
    settings = dict(options.settings)
    try:
        known = {name for path in options.notebooks for name in parameters(_read(path))}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise NotebookError(f"no parameters cell sets {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        for path in options.notebooks:
            print(pathlib.Path(path).name, flush=True)
            run(path, settings, out=options.out, tell=lambda line: print(line, flush=True))
    except NotebookError as error:
        # In a file or a pipe without the terminal's colours.
        print(error if sys.stderr.isatty() else re.sub(r"\x1b\[[0-9;]*m", "", str(error)), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
