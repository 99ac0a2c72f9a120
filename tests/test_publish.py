import re
import shutil

import pytest

from helpers import notebooks
from helpers.runtime import PROJECT


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    for name in ("README.md", "CITATION.cff", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    return tmp_path


def where(project):
    """Owner and name of the published suite, as pyproject.toml has it."""
    return re.search(r'Repository = "https://github\.com/(.+)"', (project / "pyproject.toml").read_text())[1]


def test_every_badge_and_set_up_cell_names_the_one_place():
    for path, found in notebooks.stamped().items():
        assert found == {where(PROJECT)}, path


def test_publishing_stamps_every_badge_and_set_up_cell_and_can_be_repeated(copy):
    for repo in ("ada/emotions", "grace.h/emo-tions_2"):
        changed = notebooks.stamp(repo, copy)
        assert len(changed) == 3 + len(list((copy / "notebooks").glob("*.ipynb")))
        assert where(copy) == repo
        for path, found in notebooks.stamped(copy).items():
            assert found == {repo}, path
    text = (copy / "notebooks" / "02_video_subsystem.ipynb").read_text()
    assert "github/grace.h/emo-tions_2/blob/main/notebooks/02_video_subsystem.ipynb" in text
    assert "OWNER/NAME" not in text


@pytest.mark.parametrize("repo", ["ada", "ada/emo/tions", 'ada/"; rm', "https://github.com/ada/emotions"])
def test_what_is_no_owner_and_name_is_refused(copy, repo):
    with pytest.raises(ValueError, match="not owner/name"):
        notebooks.stamp(repo, copy)
