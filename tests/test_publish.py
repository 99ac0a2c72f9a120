"""Where the suite is published stands in every place that names it, and what is published works."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from helpers import notebooks
from helpers.runtime import PROJECT

BADGE = "colab.research.google.com/github/{}/blob/main/notebooks/{}"


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "CITATION.cff", "pyproject.toml", "docs/conf.py"):
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def stored(project):
    return sorted((project / "notebooks").glob("*.ipynb"))


def test_before_it_is_published_no_button_leads_astray():
    readme = (PROJECT / "README.md").read_text()
    if "OWNER/NAME" not in (PROJECT / "pyproject.toml").read_text():
        pytest.skip("this copy is published")
    assert "colab.research" not in readme and "make publish REPO=" in readme
    for path in stored(PROJECT):
        assert f"](notebooks/{path.name})" in readme and "colab-badge" not in path.read_text()


def test_publishing_stamps_every_place_and_can_be_repeated(copy):
    for repo in ("ada/emotions", "grace.h/emo-tions_2"):
        assert len(notebooks.stamp(repo, copy)) == 4 + len(stored(copy))
        assert f'Repository = "https://github.com/{repo}"' in (copy / "pyproject.toml").read_text()
        assert f'"https://github.com/{repo}"' in (copy / "CITATION.cff").read_text()
        assert f'REPO = "{repo}"' in (copy / "docs" / "conf.py").read_text()
        readme = (copy / "README.md").read_text()
        assert f"{repo}/actions/workflows/tests.yml/badge.svg" in readme and "make publish" not in readme
        for path in stored(copy):
            first = nbformat.read(path, 4).cells[0].source
            assert first.count(BADGE.format(repo, path.name)) == readme.count(BADGE.format(repo, path.name)) == 1
            assert f'REPO = "{repo}"' in "\n".join(cell.source for cell in nbformat.read(path, 4).cells)
    for path in (*stored(copy), copy / "README.md", copy / "CITATION.cff", copy / "docs" / "conf.py"):
        assert not re.search("OWNER/NAME|ada/emotions", path.read_text()), path
    assert not notebooks.stamp("grace.h/emo-tions_2", copy)


def test_a_published_suite_is_cloned_by_the_set_up_cell(copy, tmp_path_factory):
    """Published to a bare repository, which git takes for the one on GitHub."""
    folder = tmp_path_factory.mktemp("published")
    for name in ("helpers", "data_manifest.csv"):
        (copy / name).symlink_to(PROJECT / name)
    notebooks.stamp("ada/emotions", copy)
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONNOUSERSITE": "1", "HOME": str(folder)}

    def git(*words):
        subprocess.run(["git", *words], cwd=copy, env=environment, check=True, capture_output=True)

    git("config", "--global", "user.email", "ada@example.org")
    git("config", "--global", "user.name", "Ada")
    git("config", "--global", f"url.{folder}/bare.insteadOf", "https://github.com/ada/emotions")
    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "-m", "published")
    git("init", "--quiet", "--bare", "--initial-branch=main", str(folder / "bare"))
    git("push", "--quiet", "https://github.com/ada/emotions", "main")
    (folder / "content").mkdir()
    cell = next(cell.source for cell in nbformat.read(stored(copy)[0], 4).cells if cell.cell_type == "code")
    (folder / "set_up.py").write_text(cell + "\nprint(importlib.util.find_spec('helpers').origin)")
    # -S keeps the environment's site-packages, and with them the installed suite, out of sight.
    words, where = [sys.executable, "-S", folder / "set_up.py"], {"cwd": folder / "content", "env": environment}
    done = subprocess.run(words, **where, capture_output=True, text=True)
    assert done.stdout.strip() == str(folder / "content" / "emotions" / "helpers" / "__init__.py"), done.stderr


@pytest.mark.parametrize("repo", ["ada", "ada/emo/tions", 'ada/"; rm', "https://github.com/ada/emotions"])
def test_what_is_no_owner_and_name_is_refused(copy, repo):
    with pytest.raises(ValueError, match="not owner/name"):
        notebooks.stamp(repo, copy)
