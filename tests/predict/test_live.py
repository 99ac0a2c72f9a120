import base64
import io

import numpy as np
import pytest
from PIL import Image

from helpers.data import synthetic
from helpers.data.exclusions import ClipError
from helpers.predict import app, live
from helpers.predict import predictor as predict
from helpers.predict.prediction import DRAWN_FACES
from helpers.video import decoding


@pytest.fixture(scope="module")
def predictor(small_runs):
    return predict.Predictor.load(small_runs[0] / "fusion", fold=1)


def jpeg(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=90)
    return base64.b64encode(buffer.getvalue()).decode()


def asked(path):
    """The question that the page would ask about a clip at 30 frames a second."""
    sound = decoding.Sound()
    frames = [jpeg(picture.rgb()) for picture in decoding.decode(path, sound=sound)][::4]
    pcm = (32767 * sound.samples()).astype("<i2").tobytes()
    sent = [{"time": 100 + 4 * n / 30, "jpeg": frame} for n, frame in enumerate(frames)]
    return {"frames": sent, "sound": base64.b64encode(pcm).decode(), "rate": 48_000}


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    clip = tmp_path_factory.mktemp("clip") / "new.mp4"
    return asked(synthetic.clip(clip, "happy", 3, seconds=1.6, fps=30))


@pytest.fixture(scope="module")
def faceless(tmp_path_factory):
    clip = tmp_path_factory.mktemp("clip") / "new.mp4"
    return asked(synthetic.clip(clip, "sad", 4, seconds=1.6, fps=30, face=False))


def test_the_last_seconds_are_answered_with_the_face_s_place_and_leave_no_file(
    predictor, question, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    frames, times, samples, rate = live.read(question)
    assert frames[0].shape == (240, 320, 3) and len(frames) == len(times) == 12 and rate == 48_000
    prediction = live.predict(predictor, frames, times, samples, rate)
    assert prediction.warnings == [DRAWN_FACES, *predictor.warnings], "the browser's picture says nothing of its origin"
    assert len(prediction.samples) / prediction.rate == pytest.approx(1.6, abs=0.1)
    told = app.answer_live(question, predictor)
    assert prediction.sentence in told["html"]
    top, right, bottom, left = told["box"]
    assert 0 < top < 1 - bottom < 1 and 0 < left < 1 - right < 1, "shares of the picture, each from its own edge"
    assert not list(tmp_path.iterdir())


def test_frames_that_come_unevenly_are_shown_at_their_times(predictor, question):
    frames, times, *_ = live.read(question)
    gap = np.delete(np.arange(len(frames)), [3, 4, 5])
    shown = []

    class Watching:
        def predict(self, path):
            shown.extend(picture.gray for picture in decoding.decode(path))

    live.predict(Watching(), [frames[n] for n in gap], times[gap], None, 0)
    assert len(shown) == len(frames), "a picture stands until the next one"


def test_an_answer_depends_on_its_own_question_alone(predictor, question, faceless):
    first = app.answer_live(question, predictor)
    other = app.answer_live(faceless, predictor)
    assert other["box"] is None and "answered from the audio alone" in other["html"]
    assert app.answer_live(question, predictor) == first


def test_without_a_microphone_the_video_answers(predictor, question):
    told = app.answer_live({**question, "sound": "", "rate": 0}, predictor)
    assert "answered from the video alone" in told["html"] and told["box"]


def large():
    return jpeg(np.zeros((1000, 1000, 3), np.uint8))


@pytest.mark.parametrize(
    "change",
    [
        lambda q: None,
        lambda q: {**q, "frames": []},
        lambda q: {**q, "frames": [{"time": n, "jpeg": frame["jpeg"]} for n, frame in enumerate(q["frames"])]},
        lambda q: {**q, "frames": [{"time": n / 1e3, "jpeg": q["frames"][0]["jpeg"]} for n in range(41)]},
        lambda q: {**q, "frames": [{"time": float("nan"), "jpeg": q["frames"][0]["jpeg"]}]},
        lambda q: {**q, "frames": q["frames"][::-1]},
        lambda q: {**q, "frames": [{"time": 0, "jpeg": large()}]},
        lambda q: {**q, "frames": [{"time": 0, "jpeg": "no base64"}]},
        lambda q: {**q, "frames": [{"time": 0, "jpeg": base64.b64encode(b"no picture").decode()}]},
        lambda q: {**q, "frames": [*q["frames"], {"time": 102, "jpeg": jpeg(np.zeros((20, 20, 3), np.uint8))}]},
        lambda q: {**q, "sound": base64.b64encode(bytes(2 * 48_000 * 6)).decode()},
        lambda q: {**q, "rate": 10**9},
        lambda q: {**q, "rate": 1},
        lambda q: {**q, "sound": 7},
    ],
)
def test_what_the_page_does_not_send_is_refused_before_it_is_answered(question, change, capsys):
    with pytest.raises(ClipError, match="not what the page sends"):
        live.read(change(question))
    assert "No answer" in app.answer_live(change(question), None)["html"] and not capsys.readouterr().err
