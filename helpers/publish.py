"""Stamps where the suite is published into every badge, every set-up cell and CITATION.cff.

python -m helpers.publish owner/name
"""

import pathlib
import re
import sys

from helpers.runtime import PROJECT

_NAME = r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+"
# The one place that says where: the others are stamped from it.
_HOME = re.compile(rf'(?<=Repository = "https://github\.com/)({_NAME})(?=")')
_MARKS = (
    re.compile(rf"(?<=colab\.research\.google\.com/github/)({_NAME})(?=/blob/)"),
    re.compile(rf"(?<=https://github\.com/)({_NAME})(?=/(?:actions|blob|archive)|\.git|\)|$)", re.MULTILINE),
    re.compile(rf'(?<=repository-code: "https://github\.com/)({_NAME})(?=")'),
    re.compile(rf'(?<=REPO = \\")({_NAME})(?=\\")'),  # in a notebook's JSON
)


def stamped(project=PROJECT):
    """The files that name the published suite: {path: set of owner/name found in it}."""
    project = pathlib.Path(project)
    found = {}
    for path in [project / "README.md", project / "CITATION.cff", *sorted((project / "notebooks").glob("*.ipynb"))]:
        text = path.read_text(encoding="utf-8")
        found[path] = {match for mark in _MARKS for match in mark.findall(text)}
    return found


def stamp(repo, project=PROJECT):
    """Writes `repo` into pyproject.toml, README badges, CITATION.cff and notebooks. Returns the files changed.

    Raises:
        ValueError: `repo` is not owner/name.
    """
    if not re.fullmatch(_NAME, repo):
        raise ValueError(f"{repo!r} is not owner/name, such as ada/emotion-notebooks")
    project = pathlib.Path(project)
    changed = []
    for path in (project / "pyproject.toml", *stamped(project)):
        before = path.read_text(encoding="utf-8")
        after = before
        for mark in (_HOME,) if path.name == "pyproject.toml" else _MARKS:
            after = mark.sub(repo, after)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make publish REPO=owner/name")
    try:
        for changed_file in stamp(sys.argv[1]):
            print(f"stamped {changed_file.relative_to(PROJECT)}")
    except ValueError as problem:
        sys.exit(str(problem))
