import dataclasses
import re

import numpy as np
import pytest

from helpers.data import synthetic
from helpers.plots import markup
from helpers.predict import predictor
from helpers.predict.prediction import Part


@pytest.fixture(scope="module")
def answer(small_runs, tmp_path_factory):
    clip = synthetic.clip(tmp_path_factory.mktemp("clip") / "new.mp4", "happy", 3, seconds=1.5)
    return predictor.Predictor.load(small_runs[0] / "fusion", fold=1).predict(clip)


def drawn(prediction):
    return markup.answer(prediction, "new.mp4", b"clip")


def test_the_sentence_stands_once_and_each_question_has_one_picture(answer):
    told = drawn(answer)
    assert told.count(answer.sentence) == 1 and told.count("<svg") == 1 and told.count("<video") == 1
    assert re.findall("<h3>(.*?)</h3>", told) == ["What", "Where: the face", "When"]


def test_each_emotion_has_a_bar_and_a_mark_for_each_modality_alone(answer):
    told = markup.bars(answer)
    widths = [float(width) for width in re.findall(r'<i style="width:([\d.]+)%', told)]
    assert widths == pytest.approx([100 * value for value in answer.probabilities.values()], abs=0.06)
    for stream, values in answer.streams.items():
        places = re.findall(f'{stream}" title="{stream} alone" style="left:([\\d.]+)%', told)
        assert [float(place) for place in places] == pytest.approx([100 * v for v in values.values()], abs=0.06)
    certain = dict.fromkeys(answer.probabilities, 0.0) | {answer.emotion: 0.9999}
    told = markup.bars(dataclasses.replace(answer, probabilities=certain, streams={}))
    assert "99 %" in told and ">100 %" not in told and "alone" not in told


def test_when_is_the_attention_of_a_short_clip_and_the_windows_of_a_long_one(answer):
    told = drawn(answer)
    assert "attention, video" in told and "attention, audio" in told and 'class="wave"' in told
    rows = ((0.5, 0.46, 0.04, 0, 0, 0, 0, 0), (0.9, 0.06, 0.04, 0, 0, 0, 0, 0))
    windows = [Part(n, n + 3.0, dict(zip(answer.probabilities, row))) for n, row in enumerate(rows)]
    told = drawn(dataclasses.replace(answer, timeline=windows))
    assert "window by window" in told and "attention" not in told
    assert re.findall(r'background:#\w+"></i>(\w+)', told) == ["neutral", "calm"], "those with more than 5 % somewhere"


def test_a_clip_whose_end_shows_no_face_is_drawn_to_its_end(answer):
    times = np.linspace(0, 60, len(answer.faces.times)).astype(np.float32)
    silent = dataclasses.replace(answer, samples=None, rate=None, faces=dataclasses.replace(answer.faces, times=times))
    assert silent.seconds == pytest.approx(60) and "60 s" in drawn(silent)


def test_what_a_clip_or_a_model_lacks_is_not_drawn(answer):
    without = drawn(dataclasses.replace(answer, attention={"video": None, "audio": None}))
    assert "attention" not in without and 'class="wave"' in without and "Faces the model sees" in without
    deaf = drawn(dataclasses.replace(answer, samples=None, rate=None, attention={"video": answer.attention["video"]}))
    assert 'class="wave"' not in deaf and "attention, video" in deaf
    heard = drawn(dataclasses.replace(answer, faces=None, attention={"audio": answer.attention["audio"]}))
    assert "<audio" in heard and "<video" not in heard and "face" not in heard.lower()
    blind = dataclasses.replace(answer.faces, found=np.zeros_like(answer.faces.found))
    told = drawn(dataclasses.replace(answer, faces=blind))
    assert "Where: no face was found" in told and "Faces the model sees" not in told


def test_that_the_model_knows_drawn_faces_only_stands_first_and_in_red(answer):
    sentences = ["The audio is short.", "Trained on drawn faces: this says nothing about a person."]
    told = markup.heading(dataclasses.replace(answer, warnings=sentences, confident=False))
    assert told.startswith('<p class="alarm" role="alert">Trained on drawn faces')
    assert told.count("Trained on drawn faces") == 1
    assert "<li>The model abstains" in told and "<li>The audio is short.</li>" in told


def test_names_are_shown_and_not_obeyed(answer):
    names = {f"<b>{name}": value for name, value in answer.probabilities.items()}
    told = markup.bars(dataclasses.replace(answer, probabilities=names, streams={}))
    assert "<b>" not in told and "&lt;b&gt;" in told
