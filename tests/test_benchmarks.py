"""The benchmarks start, and the committed results carry the names and commands that the benchmarks give them."""

import importlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from helpers.runtime import PROJECT

BENCHMARKS = sorted((PROJECT / "benchmarks").glob("*.py"))
RESULTS = sorted((PROJECT / "docs" / "results").glob("*.json"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_shows_its_options(path):
    done = subprocess.run([sys.executable, str(path), "--help"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_command_of_a_committed_result_names_a_benchmark_and_its_options(path):
    command = json.loads(path.read_text())["command"]
    script = re.fullmatch(r"(?:KERAS_BACKEND=jax )?python (benchmarks/\w+\.py) [A-Z].*", command)[1]
    source = (PROJECT / script).read_text()
    if "from audio_real import" in source:
        source += (PROJECT / "benchmarks" / "audio_real.py").read_text()  # which reads the options
    missing = [option for option in re.findall(r" (--[\w-]+)", command) if f'"{option}"' not in source]
    assert not missing, command


def test_the_committed_results_are_named_as_the_benchmarks_name_them(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    ablation = importlib.import_module("ablation")
    named = 0
    for path in RESULTS:
        stored = json.loads(path.read_text())
        end = "-per-speaker.json" if stored.get("per_speaker") else ".json"
        if path.name.startswith("ablation-"):
            options = [stored[key] for key in ("row", "protocol", "epochs", "seeds", "per_speaker")]
            assert path.name == ablation.file_name(*options)
        elif path.name.startswith("joint-"):
            dropout = f"{stored['modality_dropout']:g}"
            assert path.name == f"joint-{stored['protocol']}-{stored['fusion']}-{dropout}.json"
        elif re.match("(?:audio|fusion)-(?:network|ensemble)-", path.name):
            assert path.name == f"{stored['row']}-{stored['protocol']}{end}"
        elif re.match("(?:svm|lda)-", path.name):
            assert path.name == f"{stored['model']}-{stored['protocol']}{end}"
        else:
            continue
        named += 1
    assert named > 70


@pytest.fixture
def pretrain_audio(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    return importlib.import_module("pretrain_audio")


def takes(width, speakers=12, signal=3.0):
    """Rows of some speakers, each emotion four times: the emotion in the first eight columns, the speaker in all."""
    rng = np.random.default_rng(0)
    label, actor = np.tile(np.repeat(np.arange(8), 4), speakers), np.repeat(np.arange(speakers), 32)
    rows = rng.normal(0, 1, (speakers, width))[actor] + rng.normal(0, 1, (len(label), width))
    rows[:, :8] += signal * np.eye(8)[label]
    return rows.astype(np.float32), label, actor


@pytest.mark.parametrize("width", [30, 900])
def test_the_discriminant_is_scikit_learns_with_fewer_columns_than_clips_and_with_more(width, pretrain_audio):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows, label, _ = takes(width)
    rows = rows.astype(np.float64)
    weights, offset = pretrain_audio.discriminant(rows, label, 0.4 / 0.6 / width, rows @ rows.T)
    expected = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.4).fit(rows, label).decision_function(rows)
    scores = (rows @ weights + offset) / 0.6
    assert np.allclose(scores - scores.mean(axis=1, keepdims=True), expected - expected.mean(axis=1, keepdims=True))


def test_a_fitted_classifier_is_about_as_confident_as_it_is_right_about_new_speakers(pretrain_audio):
    rows, label, actor = takes(pretrain_audio.WIDTHS["functionals"], speakers=20, signal=8.0)
    train = actor < 12
    probabilities = pretrain_audio.fit(rows[train], label[train], actor[train], "functionals").probabilities(
        rows[~train]
    )
    accuracy = (probabilities.argmax(axis=1) == label[~train]).mean()
    assert 0.4 < accuracy < 0.99 and abs(probabilities.max(axis=1).mean() - accuracy) < 0.15


def test_the_out_of_fold_predictions_of_a_committed_result_give_its_numbers():
    import pandas as pd

    for path in sorted((RESULTS[0].parent / "predictions").glob("lda-*.csv.gz")):
        predictions = pd.read_csv(path)
        stored = json.loads((RESULTS[0].parent / path.name.replace(".csv.gz", ".json")).read_text())
        probabilities = predictions.filter(regex="^p_").to_numpy()
        assert len(predictions) == stored["n"] and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
        assert (predictions.prediction == predictions.label).mean() == pytest.approx(stored["accuracy"])
        assert path.stat().st_size < 150_000


def test_the_map_to_action_units_holds_for_people_it_never_met(monkeypatch):
    """Clips in which a smile makes AU12, and movement of the mouth AU25."""
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    study = importlib.import_module("pretrain_landmarks")
    smile, mouth = (study.SIGNALS.index(name) for name in ("mouthSmile", "mouth opening"))
    still, moving = (study.UNITS.index(name) for name in ("AU12_r", "AU25_r"))
    rng = np.random.default_rng(0)

    def clips(n):
        rows, values = np.abs(rng.normal(size=(n, 4, len(study.SIGNALS)))), np.zeros((n, len(study.UNITS)))
        values[:, still], values[:, moving] = rows[:, 0, smile], 2 * rows[:, 2, mouth]
        return rows, values

    (rows, values), (new, true) = clips(120), clips(60)
    stills = rows[:6] * (np.arange(4) == 0)[:, None]
    told = values[:6] * (np.arange(len(study.UNITS)) == still)
    person, kind = [*np.arange(120) % 6, *range(6)], ["clip"] * 120 + ["still"] * 6
    about = np.ones(rows.shape[1:]), values.mean(axis=0), values.std(axis=0) + 1e-3
    weights, offsets = study.fit(np.concatenate([rows, stills]), np.concatenate([values, told]), person, kind, *about)
    read = np.tensordot(new, weights, 2) + offsets
    for unit in (still, moving):
        assert np.corrcoef(read[:, unit], true[:, unit])[0, 1] > 0.95
    used = np.abs(weights).sum(axis=1) > 0  # (statistics, units)
    assert used[:, still].tolist() == [True, False, False, False]
    assert used[:, moving].tolist() == [False, True, True, True]
    assert {name for names in study.MEANING.values() for name in names} <= set(study.SIGNALS)
