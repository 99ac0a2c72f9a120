import types

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib import cbook

from helpers.evaluation import metrics
from helpers.plots import charts, clips, predictions
from helpers.training import cross_validation
from helpers.video import faces

HISTORY = pd.DataFrame({"fold": [1, 1, 2, 2], "epoch": [1, 2, 1, 2], "accuracy": [0.2, 0.6, 0.4, 0.8]})


ABLATION = pd.DataFrame(
    {
        "GRU layers": [1, 3],
        "GRU units": 256,
        "batch norm": ["no", "yes"],
        "attention": ["none", "soft"],
        "average": [70.0, 81.0],
        "std": [2.0, 3.0],
        "folds": [10, 10],
        "thesis": [69.0, 80.0],
    }
)


def result(predictions):
    """A CVResult of two folds: half right in the first, all right in the second."""
    predictions = predictions.assign(clip_id=list("abcd"), fold=[1, 1, 2, 2], prediction=[0, 0, 0, 1])
    return cross_validation.CVResult(predictions, HISTORY, ("calm", "happy"), {"protocol": "random"}, None)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_class_names_with_dollar_signs_are_drawn_as_they_are():
    """matplotlib would take them for mathematics: `$\\frac$` cannot be drawn at all, `$a$` loses its signs."""
    names, parts = (r"$\frac$", "$a$"), [([0], [1]), ([1], [0])]
    feature_set = types.SimpleNamespace(actor=[1, 2], label=[0, 1], classes=names)
    part, images = dict(zip(names, (0.4, 0.6))), np.zeros((2, 9, 9, 3), np.uint8)
    answer = types.SimpleNamespace(probabilities=part, streams={"video": part}, sentence=r"$\frac$ 60 %")
    answer.timeline = [types.SimpleNamespace(start=0, end=3, probabilities=part)]
    for ax in (
        charts.confusion(np.eye(2, dtype=int), names),
        charts.folds(feature_set, parts),
        clips.gallery(images, np.array([0, 1]), names),
        predictions.probabilities(answer),
        predictions.timeline(answer),
    ):
        ax.figure.canvas.draw()
        shown = [*ax.get_yticklabels(), *ax.get_xticklabels(), *(ax.get_legend().texts if ax.get_legend() else ())]
        assert r"\$\frac\$" in [text.get_text().split(" 60 %")[0] for text in [*shown, ax.title]]
        assert not any(cbook.is_math_text(text.get_text()) for text in [*shown, ax.title])


def test_every_figure_is_drawn_on_the_given_axes_and_returned():
    track = faces.FaceTrack(np.zeros((3, 48, 48, 3), np.uint8), np.ones(3, bool), np.ones((3, 4)), np.arange(3.0))
    table = pd.DataFrame({"actor": [1, 1, 2, 2]})
    feature_set = types.SimpleNamespace(actor=[1, 1, 2, 2], label=[0, 1, 0, 1], classes=("calm", "happy"))
    summary = {"average": 0.5, "fold_accuracy": [0.4, 0.6], "chance": 0.2}
    predictions = table.assign(label=[0, 1, 0, 1], prediction=0, p_calm=[0.9, 0.6, 0.7, 1], p_happy=[0.1, 0.4, 0.3, 0])
    for draw in (
        lambda ax: charts.confusion(np.eye(2, dtype=int), ("calm", "happy"), ax),
        lambda ax: charts.curves(HISTORY, ax=ax),
        lambda ax: clips.gallery(track.frames, np.array([1, 1, 0]), ("calm", "happy", "sad"), ax=ax),
        lambda ax: charts.folds(feature_set, [([0, 1], [2, 3]), ([2, 3], [0, 1])], ax),
        lambda ax: charts.systems({"audio": summary}, {"audio": 0.7}, ax),
        lambda ax: clips.face_strip(track, ax=ax),
        lambda ax: clips.frames_with_boxes(list(np.zeros((3, 9, 9, 3), np.uint8)), track.boxes, track.times, ax=ax),
        lambda ax: clips.spectrogram(np.random.default_rng(0).normal(size=9000), 8000, ax),
        lambda ax: clips.waveform(np.zeros(100), 100, ax),
        lambda ax: clips.mfcc(np.random.default_rng(0).normal(size=(5, 13)), np.arange(5.0), ax),
        lambda ax: clips.attended_faces(track, np.array([0.2, 0.5, 0.3]), ax=ax),
        lambda ax: clips.attended_sound(np.zeros(100), 100, np.full(4, 0.25), np.arange(4.0), ax),
        lambda ax: charts.reliability(predictions, ax),
        lambda ax: charts.by_actor(predictions, ax),
        lambda ax: charts.ablation(ABLATION, ax),
        lambda ax: charts.best_fold(result(predictions), ax, "with attention"),
    ):
        _, ax = plt.subplots()
        assert draw(ax) is ax and ax.get_title()
        assert draw(None) is not ax
        plt.close("all")


def test_the_curve_is_the_mean_of_the_folds_over_their_own_epochs():
    ax = charts.curves(HISTORY[HISTORY.epoch == 1])
    assert ax.lines[-1].get_marker() == "o", "one epoch is a point, not an invisible line"
    ax = charts.curves(HISTORY)
    bold = max(ax.lines, key=lambda line: line.get_linewidth())
    assert bold.get_xdata().tolist() == [1, 2] and np.allclose(bold.get_ydata(), [0.3, 0.7])


def test_the_folds_are_drawn_by_actor_and_by_emotion():
    feature_set = types.SimpleNamespace(actor=[1, 1, 2, 2], label=[0, 1, 0, 1], classes=("calm", "happy"))
    ax = charts.folds(feature_set, [([2, 3], [0, 1]), ([0, 1], [2, 3])])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["actor 1", "actor 2", "", "calm", "happy"]
    assert [text.get_text() for text in ax.texts] == ["2", "0", "1", "1", "0", "2", "1", "1"]


def test_the_confusion_matrix_shows_per_cent_of_each_true_emotion():
    predictions = pd.DataFrame({"label": [0, 0, 0, 1], "prediction": [0, 0, 1, 1]})
    ax = charts.confusion(metrics.confusion(predictions, ("calm", "happy")), ("calm", "happy"))
    assert [text.get_text() for text in ax.texts] == ["67", "33", "0", "100"]
    assert ax.get_ylabel() == "true" and ax.get_xlabel() == "predicted"
    names = [f"a rather long name of class {n}" for n in range(30)]
    large = charts.confusion(np.eye(30), names)
    assert large.figure.get_figheight() > 2 * ax.figure.get_figheight() > 9
    assert {name.get_ha() for name in large.get_xticklabels()} == {"right"}, "each name ends at its own column"


def test_an_ablation_shows_each_row_with_its_deviation_and_the_published_number():
    ax = charts.ablation(ABLATION)
    assert [patch.get_width() for patch in ax.patches] == [70, 81]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1 × 256", "3 × 256, batch norm, soft attention"]
    assert ax.get_xlabel().endswith("10 folds") and "thesis" in ax.get_legend().texts[0].get_text()
    alone = charts.ablation(ABLATION.drop(columns="thesis").assign(folds=1))
    assert alone.get_legend() is None and alone.get_xlabel().endswith("one fold")


def test_the_best_folds_figure_says_that_it_is_the_best_and_what_the_average_is():
    predictions = pd.DataFrame({"label": [0, 1, 0, 1], "actor": [1, 1, 2, 2], "p_calm": 0.5, "p_happy": 0.5})
    ax = charts.best_fold(result(predictions), title="without attention")
    assert ax.get_title() == "without attention\nbest fold (2): 100.0 % · average 75.0 %"
    assert [text.get_text() for text in ax.texts] == ["100", "0", "0", "100"], "of that fold's clips alone"


def test_a_figure_is_saved_as_png(tmp_path):
    path = charts.save(charts.curves(HISTORY), tmp_path / "deep" / "curve.png")
    assert path.read_bytes().startswith(b"\x89PNG")
