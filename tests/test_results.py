"""The tables of README and docs/results.md hold what the committed out-of-fold predictions give."""

import importlib
import itertools
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
    right = {}
    for path in sorted(RESULTS.glob("predictions/ablation-*.csv.gz")):
        found, name = pd.read_csv(path), path.name.removesuffix(".csv.gz")
        stored = json.loads((RESULTS / f"{name}.json").read_text())
        right[name] = found.assign(right=found.prediction == found.label).set_index(["seed", "clip_id"]).right
        assert right[name].index.is_unique and len(found) == 1440 * stored["seeds"]
        assert right[name].groupby("seed").mean().tolist() == pytest.approx(stored["each_seed"])
        assert right[name].mean() == pytest.approx(stored["accuracy"])
    for protocol, row in itertools.product(("luna2022", "random"), recipe.ablation()):
        name, full = (f"ablation-{protocol}-{recipe.slug(each)}" for each in (row, "full model"))
        assert recipe.gain(name, full)[0] == pytest.approx(right[name].mean() - right[full].mean())


def test_every_ensemble_is_combined_again_from_its_members(tables):
    made = importlib.import_module("ensemble")
    for protocol in ("luna2022", "random"):
        audio, face = made.members(protocol)
        for name, models in {"audio": audio, "fusion": [*audio, *face]}.items():
            stored = recipe.result(f"ensemble-{name}-equal-{protocol}")
            assert stored["combined"] == [model.about["model"] for model in models] and len(models) > 20
            combined = made.ensemble.combine(models, fit=False)
            assert combined.summary()["accuracy"] == pytest.approx(stored["accuracy"], abs=2 / 1440)


def test_the_predictions_are_small():
    assert sum(path.stat().st_size for path in PREDICTIONS) < 5e6


def test_holms_correction_is_the_textbooks(tables):
    assert tables.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
