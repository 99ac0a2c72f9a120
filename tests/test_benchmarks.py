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
    script = re.fullmatch(r"(?:KERAS_BACKEND=jax )?python (benchmarks/\w+\.py) (?:[A-Z]|--).*", command)[1]
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
            options = [stored[key] for key in ("row", "protocol", "epochs", "per_speaker")]
            assert path.stem == ablation.file_name(*options)
        elif path.name.startswith("joint-"):
            dropout = f"{stored['modality_dropout']:g}"
            assert path.name == f"joint-{stored['protocol']}-{stored['fusion']}-{dropout}.json"
        elif re.match("(?:svm|lda|ensemble)-", path.name):
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
    rows, label, actor = takes(pretrain_audio.embedding.WIDTHS["functionals"], speakers=20, signal=8.0)
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


@pytest.fixture(scope="module")
def pretrain_face():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROJECT / "benchmarks"))
        yield importlib.import_module("pretrain_face")


@pytest.mark.slow
def test_a_face_training_stopped_goes_on_where_it_was_and_batch_normalisation_folds_away(pretrain_face, tmp_path):
    import keras

    small = {"widths": (8,), "blocks": (1,), "batch_size": 16, "average": 0.5, "learning_rate": 0.02}
    config, path, rows = pretrain_face.Config(**small, epochs=5, precision="float32"), tmp_path / "face.npz", []
    rng, label = np.random.default_rng(0), np.arange(96) % 2
    stripes = 120 * (np.arange(48) // 4 % 2)  # across, or upright
    gray = (rng.integers(0, 60, (96, 48, 48)) + np.where(label[:, None, None], stripes, stripes[:, None])).astype("u1")
    valid = gray[64:], label[64:]

    def stop(row):
        rows.append(row)
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain_face.train(gray[:64], label[:64], path, config, valid, stop)
    assert not path.exists()
    model = pretrain_face.train(gray[:64], label[:64], path, config, valid, rows.append)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 3, 4, 5]
    assert rows[2]["loss"] == pytest.approx(rows[3]["loss"], abs=1e-3), "the third epoch is trained as before"
    assert rows[-1]["valid_accuracy"] > 0.9
    assert not path.with_suffix(".resume.npz").exists()

    arrays = pretrain_face.folded(path)
    assert [*arrays][:4] == ["stem/kernel", "stem/bias", "stage1_block1_a/kernel", "stage1_block1_a/bias"]
    assert arrays["emotion/kernel"].shape == (8, 7) and {a.dtype for a in arrays.values()} == {np.dtype(np.float16)}
    names = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(arrays) == 2 * len(names) + 2
    for name in names:
        kernel, bias = (arrays[f"{name}/{part}"].astype(np.float32) for part in ("kernel", "bias"))
        inputs = rng.normal(size=(1, 6, 6, kernel.shape[2])).astype(np.float32)
        separate = model.get_layer(f"{name}_bn")(model.get_layer(name)(inputs), training=False)
        at_once = keras.ops.conv(inputs, kernel, model.get_layer(name).strides, "same") + bias
        assert np.allclose(separate, at_once, atol=0.02), name
    with pytest.raises(ValueError, match="another network"):
        pretrain_face.load(path)


def test_augmented_faces_keep_shape_type_and_place_and_depend_on_the_seed_alone(pretrain_face):
    dot = np.zeros((200, 48, 48), dtype=np.uint8)
    dot[:, 22:26, 22:26] = 255
    first, again, other = (pretrain_face.augment(dot, np.random.default_rng(seed), 40) for seed in (0, 0, 1))
    assert first.shape == (200, 40, 40) and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    places = [np.unravel_index(image.argmax(), image.shape) for image in first if (image > 150).sum() < 60]
    distance = np.abs(np.array(places) - 19.5).max(axis=1)
    assert len(places) > 100 and np.percentile(distance, 95) <= 8, "4 px, and what scale and the dot's own size add"


def test_near_duplicates_are_left_out_together(pretrain_face):
    gray = np.random.default_rng(0).integers(0, 256, (100, 48, 48)).astype(np.uint8)
    gray[1], gray[2] = gray[0] // 2 + 20, gray[0][:, ::-1]
    group = pretrain_face.near_duplicates(gray)
    assert group[:3].tolist() == [0, 0, 0] and len(np.unique(group)) == 98
    left_out, groups = pretrain_face.held_out(np.concatenate([gray] * 2))
    assert np.array_equal(left_out[:100], left_out[100:]) and groups == 98
    assert 0.08 < left_out.mean() <= 0.1
