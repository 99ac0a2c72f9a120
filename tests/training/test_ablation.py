import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from test_cross_validation import LONG, QUICK, alike, toy

from helpers.config import SubsystemConfig
from helpers.evaluation import published
from helpers.training import ablation, cross_validation

ROWS = [
    {"layers": 1, "units": 4, "batch_norm": False, "attention": "none", "fc_units": 4, "thesis": 0.69},
    {"layers": 2, "units": 4, "attention": "soft", "fc_units": 4},
]
FIRST, SECOND = "1x4-plain-none-fc4", "2x4-bn-soft-fc4"


def run(out, rows=ROWS, **options):
    return ablation.run(toy(), "audio", rows, n_folds=2, out=out, progress=False, **{"train": QUICK, **options})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("ablation")
    return out, *run(out)


def test_a_grid_is_every_combination():
    rows = ablation.grid(layers=(1, 3), units=(8, 16))
    assert [tuple(row.values()) for row in rows] == [(1, 8), (1, 16), (3, 8), (3, 16)]


def test_every_row_has_its_numbers_its_size_and_the_published_accuracy_beside(finished):
    out, results, table = finished
    assert table.index.tolist() == list(results) == [FIRST, SECOND]
    assert table.loc[FIRST, "thesis"] == 69 and np.isnan(table.loc[SECOND, "thesis"])
    assert table.folds.tolist() == [2, 2] and table["batch norm"].tolist() == ["no", "yes"]
    # GRU 3·4·(3 + 4 + 2) = 108, fully connected 4·4 + 4 = 20, emotion 4·2 + 2 = 10
    assert table.parameters[FIRST] == 138
    assert table.average[SECOND] == pytest.approx(100 * results[SECOND].summary()["average"], abs=0.01)
    assert pd.read_csv(out / "table.csv", index_col="row").average.tolist() == table.average.tolist()


def test_every_row_is_tested_on_the_same_clips_fold_by_fold(finished):
    _, results, _ = finished
    clips = [list(zip(result.predictions.clip_id, result.predictions.fold)) for result in results.values()]
    assert clips[0] == clips[1]


@pytest.mark.slow
def test_a_row_added_later_trains_alone(finished, tmp_path):
    run(tmp_path, ROWS[:1])
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/fold_*/*")}
    results, _ = run(tmp_path)
    assert len(stamps) == 6 and all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    alike(results[SECOND].predictions, finished[1][SECOND].predictions)


@pytest.mark.slow
def test_a_killed_ablation_goes_on_and_ends_as_if_undisturbed(tmp_path):
    """A real process, killed in its second row."""
    code = f"import test_ablation as t; t.run(t.pathlib.Path({str(tmp_path / 'killed')!r}), train=t.LONG)"
    victim = subprocess.Popen([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parent)
    begun = tmp_path / "killed" / SECOND / "config.json"
    patience = time.monotonic() + 120
    while not begun.is_file():
        assert victim.poll() is None and time.monotonic() < patience, "the ablation ended before it could be killed"
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    assert not (tmp_path / "killed" / SECOND / "summary.json").exists()
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed" / FIRST).glob("fold_*/*")}
    resumed, table = run(tmp_path / "killed", train=LONG)
    assert len(stamps) == 6 and all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    whole, undisturbed = run(tmp_path / "whole", train=LONG)
    assert table.columns.tolist() == undisturbed.columns.tolist() and table.index.tolist() == undisturbed.index.tolist()
    for name, result in whole.items():
        alike(resumed[name].predictions, result.predictions)


@pytest.mark.parametrize(
    "model, rows, words",
    [
        ("fusion", ROWS, 'of "video" or "audio"'),
        ("audio", [ROWS[0], dict(ROWS[0], thesis=0.5)], "two rows of the ablation are 1x4-plain-none-fc4"),
        ("audio", [{"gru_unit": 4}], "'gru_unit' is no field of a subsystem; known: layers"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_before_anything_is_trained(model, rows, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        ablation.run(toy(), model, rows, out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_thesis_tables_have_their_rows_and_best_accuracies():
    for rows, model, count, best in ((published.TABLE_4_1, "video", 8, 0.79), (published.TABLE_4_3, "audio", 6, 0.80)):
        assert len(rows) == count
        top = max(rows, key=lambda row: row["thesis"])
        thesis = getattr(SubsystemConfig, model)()
        assert top["thesis"] == best
        assert (top["layers"], top["units"]) == (thesis.layers, thesis.units), "its choice for fusion"


def test_the_name_of_a_row_tells_rows_apart():
    rows = ablation.grid(layers=(1, 2), batch_norm=(True, False), cell=("gru", "lstm"), dropout=(0.3, 0.0))
    assert len({ablation.name(SubsystemConfig(**row)) for row in rows}) == len(rows)


def test_an_ablations_row_is_a_cross_validation_like_any_other(finished):
    out, results, _ = finished
    assert cross_validation.load(out / FIRST).summary() == results[FIRST].summary()
    assert json.loads((out / FIRST / "config.json").read_text())["audio"]["batch_norm"] is False
