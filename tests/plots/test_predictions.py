import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.data import synthetic
from helpers.plots import predictions
from helpers.predict import predictor
from helpers.predict.prediction import Part

ATTENTION = ["Attention to each face; dotted: equal weights", "Attention over the audio; dotted: equal weights"]


@pytest.fixture(scope="module")
def answer(small_runs, tmp_path_factory):
    clip = synthetic.clip(tmp_path_factory.mktemp("clip") / "new.mp4", "happy", 3, seconds=1.5)
    return predictor.Predictor.load(small_runs[0] / "fusion", fold=1).predict(clip)


def as_windows(answer, *probabilities):
    parts = [Part(n, n + 3.0, dict(zip(answer.probabilities, row))) for n, row in enumerate(probabilities)]
    return dataclasses.replace(answer, timeline=parts)


def test_the_bars_are_the_probabilities_and_the_marks_those_of_each_modality_alone(answer):
    ax = predictions.probabilities(answer)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(list(answer.probabilities.values()))
    marks = {line.get_label(): line.get_xdata() for line in ax.lines}
    assert np.allclose(marks["video alone"], list(answer.streams["video"].values()))
    assert np.allclose(marks["audio alone"], list(answer.streams["audio"].values()))
    assert ax.get_title() == answer.sentence
    plt.close(ax.figure)


def test_the_sentence_says_the_emotion_or_that_the_model_abstains(answer):
    probabilities = dict(zip(answer.probabilities, (0.05, 0.3, 0.6, 0.05, 0, 0, 0, 0)))
    told = dataclasses.replace(answer, probabilities=probabilities, confident=True)
    assert told.sentence == "happy 60 %"
    assert dataclasses.replace(told, confident=False).sentence == "abstains: happy 60 %, calm 30 %"
    certain = dict.fromkeys(answer.probabilities, 0.0) | {"sad": 0.999}
    assert dataclasses.replace(told, probabilities=certain).sentence == "sad over 99 %"


def test_a_timeline_draws_the_emotions_that_some_window_gave_more_than_5_per_cent(answer):
    windows = as_windows(answer, (0.5, 0.46, 0.04, 0, 0, 0, 0, 0), (0.9, 0.06, 0.04, 0, 0, 0, 0, 0))
    ax = predictions.timeline(windows)
    assert [line.get_label() for line in ax.lines] == ["neutral", "calm"]
    assert ax.lines[0].get_xdata().tolist() == [1.5, 2.5] and ax.lines[0].get_ydata().tolist() == [0.5, 0.9]
    assert [predictions.at(windows, t).start for t in (0, 1.9, 2.1, 9)] == [0, 0, 1, 1]
    plt.close(ax.figure)


def test_the_overview_has_what_the_clip_has(answer):
    def titles(of):
        return [ax.get_title() for ax in predictions.overview(of).axes if ax.get_title()]

    before = plt.get_fignums()
    assert titles(answer)[:2] == ATTENTION
    heard = dataclasses.replace(answer, faces=None, attention={"audio": answer.attention["audio"]})
    assert not any("face" in title for title in titles(heard))
    blind = dataclasses.replace(answer.faces, found=np.zeros_like(answer.faces.found))
    without = dataclasses.replace(answer, faces=blind, attention={"video": None, "audio": None})
    assert titles(without)[:2] == ["No face was found", "Waveform"]
    long = as_windows(answer, [0.125] * 8, [0.125] * 8)
    assert "Window by window" in titles(long)
    assert predictions.png(predictions.overview(answer, title="new.mp4")).startswith(b"\x89PNG")
    assert plt.get_fignums() == before, "nothing is left to close"
