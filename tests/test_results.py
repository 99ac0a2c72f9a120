"""The tables of README and docs/results.md hold what the committed out-of-fold predictions give."""

import importlib
import json
import re

import numpy as np
import pandas as pd
import pytest

from helpers.beyond import recipe
from helpers.runtime import PROJECT

RESULTS = PROJECT / "docs" / "results"
PREDICTIONS = sorted((RESULTS / "predictions").glob("*.csv.gz"))


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    return importlib.import_module("tables")


def test_readme_and_the_results_hold_what_the_script_prints(tables):
    for page, found in tables.pages().items():
        text = (PROJECT / page).read_text()
        assert tables.inserted(text, found) == text, f"{page}: python benchmarks/tables.py --write"


def test_every_number_of_the_headline_table_is_recomputed_from_the_probabilities():
    rows = {
        line.split("|")[1].strip(): line.split("|")
        for line in (PROJECT / "README.md").read_text().splitlines()
        if line.startswith("| ") and line.count("|") == 7
    }
    checked = 0
    for row, file in recipe.HEADLINE.items():
        for protocol, place in (("random", 3), ("luna2022", 5)):
            path = RESULTS / "predictions" / f"{file.replace('*', protocol)}.csv.gz"
            if path.is_file():
                found = pd.read_csv(path)
                right = found.filter(regex="^p_").to_numpy().argmax(axis=1) == found.label
                shown = [float(re.match(r"[\d.]+", cell.strip())[0]) for cell in rows[row][place : place + 2]]
                uar = np.mean([right[found.label == k].mean() for k in range(8)])
                assert shown == pytest.approx([100 * right.mean(), 100 * uar], abs=0.3), path.name
                stored = json.loads((RESULTS / path.name.replace(".csv.gz", ".json")).read_text())
                exact = (found.prediction == found.label).mean()
                assert stored["accuracy"] == pytest.approx(exact) and shown[0] == round(100 * exact, 2)
                assert (
                    len(found) == 1440 and found.clip_id.is_unique and found.groupby("clip_id").fold.count().max() == 1
                )
                checked += 1
    assert checked >= 24


def test_every_row_of_the_ablation_is_recomputed_from_the_predictions_of_each_seed():
    right, checked = {}, 0
    for path in sorted(RESULTS.glob("predictions/ablation-*.csv.gz")):
        found, name = pd.read_csv(path), path.name.removesuffix(".csv.gz")
        stored = json.loads((RESULTS / f"{name}.json").read_text())
        right[name] = found.assign(right=found.prediction == found.label).set_index(["seed", "clip_id"]).right
        assert right[name].index.is_unique and len(found) == 1440 * stored["seeds"]
        assert right[name].groupby("seed").mean().tolist() == pytest.approx(stored["each_seed"])
        assert right[name].mean() == pytest.approx(stored["accuracy"])
    full = right.pop("ablation-luna2022-full-model")
    for name, row in right.items():
        if name.startswith("ablation-luna2022-"):
            expected = row.mean() - full[full.index.isin(row.index)].mean()
            assert recipe.gain(name, "ablation-luna2022-full-model")[0] == pytest.approx(expected)
            checked += 1
    assert checked >= 18


def test_the_predictions_are_small():
    assert sum(path.stat().st_size for path in PREDICTIONS) < 5e6


def test_holms_correction_is_the_textbooks(tables):
    assert tables.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
