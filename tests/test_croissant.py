"""The data sets of the manifest as Croissant."""

import importlib.util
import json
import re

import pytest

from helpers.runtime import PROJECT

FOLDER = PROJECT / "docs" / "croissant"


@pytest.fixture(scope="module")
def croissant():
    spec = importlib.util.spec_from_file_location("croissant", PROJECT / "docs" / "croissant.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_those_that_the_manifest_makes(croissant, tmp_path):
    croissant.write(tmp_path)
    for name in croissant.SETS:
        assert (tmp_path / f"{name}.json").read_text() == (FOLDER / f"{name}.json").read_text(), name


def test_every_data_set_names_its_licence_and_how_to_cite_it(croissant):
    for name in croissant.SETS:
        about = json.loads((FOLDER / f"{name}.json").read_text())
        assert about["license"].startswith("https://") and "(" in about["citeAs"] and about["creator"]


def test_the_actor_is_the_last_part_of_a_clips_name():
    field = json.loads((FOLDER / "ravdess.json").read_text())["recordSet"][0]["field"][-1]
    assert re.search(field["source"]["transform"]["regex"], "01-01-03-02-01-01-05.mp4")[1] == "05"


@pytest.mark.parametrize("name", ["ravdess", "fer2013", "jaffe"])
def test_croissants_own_validator_finds_no_error(name):
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed: pip install mlcroissant")
    assert not mlcroissant.Dataset(jsonld=str(FOLDER / f"{name}.json")).metadata.issues.errors
