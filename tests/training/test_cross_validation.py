import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import runtime
from helpers.config import FusionConfig, SubsystemConfig, TrainConfig
from helpers.data import datasets
from helpers.features import building
from helpers.features.feature_set import FeatureSet
from helpers.training import checks, cross_validation, fold
from helpers.training import folder as run_folder

QUICK = TrainConfig(epochs=2, batch_size=16)
LONG = TrainConfig(epochs=30, batch_size=16)
ENDLESS = TrainConfig(epochs=10**6, batch_size=16)
STOPPING = TrainConfig(epochs=30, batch_size=16, validation=0.3, patience=30)
TINY = SubsystemConfig(layers=1, units=4, fc_units=4)
# Without a recurrent layer it is compiled in a third of the time: where the network does not matter.
PLAIN = SubsystemConfig(cell="none", units=4, fc_units=4)


def toy(n=48, seed=0):
    """Two-class sequences that an average tells apart; six actors."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    audio = rng.normal(size=(n, 5, 3)).astype("float32") + 2 * label[:, None, None]
    return FeatureSet(
        clip_id=np.array([f"clip{i:02}" for i in range(n)]),
        label=label,
        actor=np.arange(n) // 2 % 6,
        classes=("calm", "happy"),
        audio=audio.astype("float32"),
        audio_length=np.full(n, 5, "int32"),
    )


def both_streams():
    """The same, with the audio features as pictures too."""
    features = toy()
    return dataclasses.replace(features, video=features.audio + 1, video_length=features.audio_length)


def run(out, features=None, **options):
    options = {"n_folds": 2, "train": QUICK, "audio": PLAIN, "progress": False, **options}
    return cross_validation.cross_validate(
        features or toy(), "audio", options.pop("protocol", "random"), out=out, **options
    )


def alike(some, others):
    """Asserts equal predictions, within what threads and processes may add up in another order."""
    names = ["clip_id", "actor", "label", "fold"]
    pd.testing.assert_frame_equal(some[names], others[names])
    assert np.allclose(some[["p_calm", "p_happy"]], others[["p_calm", "p_happy"]], atol=1e-4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run to its end that nothing disturbed, to look at and to compare with."""
    return run(tmp_path_factory.mktemp("finished") / "audio")


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of its folder, to be changed."""
    return pathlib.Path(shutil.copytree(finished.out, tmp_path / "audio"))


def test_every_fold_leaves_its_files_and_the_summary_is_of_all(finished):
    for k in (1, 2):
        folder = finished.out / f"fold_{k}"
        assert sorted(p.name for p in folder.iterdir()) == [
            "fold.json",
            "history.csv",
            "model.keras",
            "predictions.csv",
        ]
        assert pd.read_csv(folder / "history.csv").epoch.tolist() == [1, 2]
    stored = json.loads((finished.out / "summary.json").read_text())
    assert stored == json.loads(json.dumps(finished.summary()))
    assert {"average", "best", "lowest", "std", "uar", "macro_f1", "n", "protocol", "per_class"} <= set(stored)
    assert stored["n"] == 48 and stored["protocol"] == "random"


def test_how_the_features_were_made_and_of_what_is_written_beside_the_run_and_is_no_part_of_its_configuration(
    finished, copied
):
    made = {"video": {"fps": 7.5}, "vgg16": "random", "audio": {"n_mfcc": 3}}
    again = run(copied, dataclasses.replace(toy(), preprocessing=made, data="ravdess"))
    assert finished.summary()["trained_on"] == "" and again.summary()["trained_on"] == "ravdess"
    assert cross_validation.load(copied).summary() == again.summary()
    assert json.loads((copied / "preprocessing.json").read_text()) == {"audio": {"n_mfcc": 3}}
    assert again.out == copied and (copied / "config.json").read_bytes() == (finished.out / "config.json").read_bytes()
    assert not (finished.out / "preprocessing.json").exists()


def test_predictions_hold_every_clip_once_with_its_probabilities(finished):
    predictions = finished.predictions
    assert predictions.columns.tolist() == ["clip_id", "actor", "label", "prediction", "fold", "p_calm", "p_happy"]
    assert sorted(predictions.clip_id) == sorted(toy().clip_id)
    assert np.allclose(predictions.p_calm + predictions.p_happy, 1, atol=1e-5)


def test_the_saved_model_of_a_fold_gives_the_folds_predictions(finished):
    features = toy()
    fold = finished.predictions[finished.predictions.fold == 2]
    rows = np.flatnonzero(np.isin(features.clip_id, fold.clip_id))
    model = keras.saving.load_model(finished.out / "fold_2" / "model.keras")
    assert np.allclose(model.predict(features.inputs(rows), verbose=0)[:, 1], fold.p_happy, atol=1e-5)


def test_two_runs_with_one_seed_are_the_same_and_another_seed_is_not(finished, tmp_path):
    alike(run(tmp_path / "again").predictions, finished.predictions)
    assert not run(tmp_path / "other", seed=1).predictions.p_calm.equals(finished.predictions.p_calm)


@pytest.mark.slow
def test_a_set_on_the_disk_is_trained_batch_by_batch_and_learns_the_same(tmp_path):
    stored = toy().save_folder(tmp_path / "set")
    result = run(
        tmp_path / "audio", stored, train=TrainConfig(epochs=30, batch_size=8, learning_rate=0.02, validation=0.2)
    )
    assert sorted(result.predictions.clip_id) == sorted(stored.clip_id)
    assert result.summary()["average"] > 0.9 and result.history.val_loss.notna().all()


def test_a_finished_fold_is_never_trained_again(finished, tmp_path):
    run(tmp_path / "audio", max_folds=1)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("fold_*/*")}
    whole = run(tmp_path / "audio")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items()) and len(stamps) == 4
    alike(whole.predictions, finished.predictions)


def test_half_a_fold_of_a_killed_run_is_trained_anew(finished, copied):
    (copied / "fold_2" / "predictions.csv").unlink()
    (copied / ".fold_2.tmp").mkdir()
    alike(run(copied).predictions, finished.predictions)


@pytest.mark.slow
def test_a_run_killed_in_its_second_fold_goes_on_and_ends_as_if_undisturbed(tmp_path):
    """A real process, killed as hard as can be as soon as its first fold is on disk."""
    options = f"t.pathlib.Path({str(tmp_path / 'audio')!r}), train=t.LONG, audio=t.TINY"
    code = f"import test_cross_validation as t; t.run({options})"
    victim = subprocess.Popen([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parent)
    first = tmp_path / "audio" / "fold_1" / "predictions.csv"
    patience = time.monotonic() + 120
    while not first.is_file():
        assert victim.poll() is None and time.monotonic() < patience, "the run ended before it could be killed"
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    assert not (tmp_path / "audio" / "fold_2").exists() and not (tmp_path / "audio" / "summary.json").exists()
    stamp = first.stat().st_mtime_ns
    resumed = run(tmp_path / "audio", train=LONG, audio=TINY)
    assert first.stat().st_mtime_ns == stamp
    alike(resumed.predictions, run(tmp_path / "undisturbed", train=LONG, audio=TINY).predictions)


@pytest.mark.slow
def test_a_fold_killed_half_way_goes_on_with_its_epoch_and_ends_as_if_undisturbed(tmp_path):
    """A real process, killed as soon as it has left a state."""
    code = (
        "import test_cross_validation as t; from helpers.training import fold; fold.STATE_EVERY = 0;"
        f"t.run(t.pathlib.Path({str(tmp_path / 'audio')!r}), train=t.STOPPING, max_folds=1)"
    )
    victim = subprocess.Popen([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parent)
    state = tmp_path / "audio" / ".fold_1.state.npz"
    patience = time.monotonic() + 120
    while not state.is_file():
        assert victim.poll() is None and time.monotonic() < patience, "the run ended before it could be killed"
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    goes_on(tmp_path, STOPPING)


def test_a_fold_interrupted_half_way_goes_on_with_its_epoch_and_ends_as_if_undisturbed(tmp_path, monkeypatch):
    train, save = dataclasses.replace(STOPPING, epochs=6), fold.ResumeCallback.save

    def interrupt(callback):
        save(callback)
        if len(callback.rows) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fold, "STATE_EVERY", 0)
        patch.setattr(fold.ResumeCallback, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "audio", train=train, max_folds=1)
    assert goes_on(tmp_path, train) == 3


def goes_on(folder, train):
    """Ends an interrupted fold in `folder` and compares it with one undisturbed; the epochs that were done before."""
    state = folder / "audio" / ".fold_1.state.npz"
    with np.load(state) as stored:
        done = json.loads(str(stored["about"]))["rows"]
    resumed = run(folder / "audio", train=train, max_folds=1)
    whole = run(folder / "undisturbed", train=train, max_folds=1)
    assert 0 < len(done) < len(resumed.history) == len(whole.history)
    assert resumed.history.seconds[: len(done)].tolist() == [row["seconds"] for row in done], "not trained again"
    alike(resumed.predictions, whole.predictions)
    assert not state.exists()
    return len(done)


def test_patience_stops_on_a_part_of_the_training_rows_and_goes_back_to_the_best(tmp_path):
    noise = toy()
    noise.audio[:] = np.random.default_rng(1).normal(size=noise.audio.shape)  # nothing to learn: the held loss rises
    train = TrainConfig(epochs=40, batch_size=16, learning_rate=0.05, validation=0.3, patience=3)
    result = run(tmp_path / "audio", noise, train=train, max_folds=1)
    assert len(result.history) < 40 and result.history.val_loss.idxmin() == len(result.history) - 4
    with pytest.raises(ValueError, match="patience needs validation"):
        TrainConfig(patience=3)


def test_what_would_leak_or_fail_is_refused_before_anything_is_trained(tmp_path):
    twice = toy()
    names = twice.clip_id.astype("U20")
    (train_rows, test_rows), *_ = cross_validation.ravdess.folds(twice, "random", 2, 0)
    names[[train_rows[0], test_rows[0]]] = ["01-01-03-01-01-01-01", "02-01-03-01-01-01-01"]
    twice = dataclasses.replace(twice, clip_id=names)
    with pytest.raises(ValueError, match="fold 1 has 01-03-01-01-01-01 on both sides"):
        run(tmp_path / "a", twice)
    renamed = toy()
    renamed.audio[test_rows[0]] = renamed.audio[train_rows[0]]
    with pytest.raises(ValueError, match=r"fold 1 has the content of clip\d+ on both sides"):
        run(tmp_path / "a", renamed)
    broken = toy()
    broken.audio[7, 2, 1] = np.nan
    with pytest.raises(ValueError, match="clip07 has audio features that are not numbers"):
        run(tmp_path / "b", broken)
    lacking = toy()
    lacking.label[:] = (lacking.actor == 0).astype(int)  # one actor alone has the second class
    with pytest.raises(ValueError, match="would train on no clip of 'happy'"):
        run(tmp_path / "c", lacking, protocol="actor", n_folds=6)
    assert not list(tmp_path.glob("*/fold_*"))


@pytest.mark.slow
def test_the_step_of_a_cosine_schedule_falls_to_nothing_over_all_epochs(tmp_path):
    train = TrainConfig(epochs=5, batch_size=16, learning_rate=0.01, schedule="cosine")
    optimiser, rates = fold.optimiser(train, 15), []
    for step in (0, 5, 15):
        optimiser.iterations.assign(step)
        rates.append(float(optimiser.learning_rate))
    assert np.allclose(rates, [0.01, 0.0075, 0])
    cosine, constant = (
        run(tmp_path / kind, train=dataclasses.replace(train, schedule=kind), max_folds=1)
        for kind in ("cosine", "constant")
    )
    assert not cosine.predictions.p_calm.equals(constant.predictions.p_calm)


@pytest.mark.parametrize("precision", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_in_mixed_precision_the_network_is_half_and_the_softmax_single(precision, tmp_path):
    train = TrainConfig(epochs=12, batch_size=16, learning_rate=0.01, precision=precision)
    result = run(tmp_path / "audio", train=train, audio=TINY, max_folds=1)
    model = keras.saving.load_model(result.out / "fold_1" / "model.keras")
    half = precision.removeprefix("mixed_")
    assert model.get_layer("audio_gru1").compute_dtype == half and model.get_layer("audio_fc").compute_dtype == half
    assert model.get_layer("emotion").compute_dtype == model.get_layer("audio_normalisation").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32", "what comes after is as it was"
    probabilities = result.predictions[["p_calm", "p_happy"]].sum(axis=1)
    assert np.allclose(probabilities, 1, atol=1e-5) and result.summary()["average"] > 0.9


@pytest.fixture(scope="module")
def subsystems(tmp_path_factory):
    """Both subsystems of a two-stream set, trained alone on the same folds: {stream: folder}."""
    folder = tmp_path_factory.mktemp("subsystems")
    options = {"n_folds": 2, "train": QUICK, "video": PLAIN, "audio": TINY, "progress": False}
    for stream in ("video", "audio"):
        cross_validation.cross_validate(both_streams(), stream, out=folder / stream, **options)
    return {stream: folder / stream for stream in ("video", "audio")}


def fuse(out, encoders, kind="concatenate", **options):
    options = {"n_folds": 2, "train": QUICK, "video": PLAIN, "audio": TINY, "progress": False, **options}
    fusion = FusionConfig(encoders=encoders, kind=kind)
    return cross_validation.cross_validate(both_streams(), "fusion", out=out, fusion=fusion, **options)


def test_a_frozen_fusion_keeps_the_subsystems_weights_and_learns_its_head(subsystems, tmp_path):
    out = fuse(tmp_path / "fusion", "frozen", subsystems=subsystems).out
    for k in (1, 2):
        fused = keras.saving.load_model(out / f"fold_{k}" / "model.keras")
        for stream, folder in subsystems.items():
            alone = keras.saving.load_model(folder / f"fold_{k}" / "model.keras")
            for layer in ("audio_gru1",) * (stream == "audio") + (f"{stream}_attention", f"{stream}_fc"):
                pairs = zip(fused.get_layer(layer).get_weights(), alone.get_layer(layer).get_weights())
                assert all(np.array_equal(a, b) for a, b in pairs)


def test_a_trained_fusion_starts_from_the_subsystems_and_moves_on(subsystems, tmp_path):
    out = fuse(tmp_path / "fusion", "fine-tuned", subsystems=subsystems).out
    fused, alone = (keras.saving.load_model(f / "fold_1" / "model.keras") for f in (out, subsystems["audio"]))
    a, b = (model.get_layer("audio_fc").get_weights()[0] for model in (fused, alone))
    assert not np.array_equal(a, b) and np.abs(a - b).max() < 0.05, "two epochs away, not another start"


def test_a_gated_fusion_takes_the_trunks_too_and_learns_the_gate_itself(subsystems, tmp_path):
    out = fuse(tmp_path / "fusion", "frozen", "gated", subsystems=subsystems, max_folds=1).out
    fused, alone = (keras.saving.load_model(f / "fold_1" / "model.keras") for f in (out, subsystems["video"]))
    pairs = zip(fused.get_layer("video_fc").get_weights(), alone.get_layer("video_fc").get_weights())
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_the_second_fold_is_trained_in_the_compiled_network_of_the_first(tmp_path, monkeypatch):
    original, networks = fold.compile_or_reuse, []
    monkeypatch.setattr(fold, "compile_or_reuse", lambda *given: networks.append(original(*given)) or networks[-1])
    fuse(tmp_path / "fusion", "end-to-end", "gated", audio=dataclasses.replace(TINY, cell="tim"))
    assert len(networks) == 2 and networks[0] is networks[1]


def test_subsystems_that_are_not_named_are_trained_beside_the_fusion_once(tmp_path):
    first = fuse(tmp_path / "fusion", "frozen", max_folds=1)
    assert (first.out / "video" / "summary.json").is_file() and (first.out / "audio" / "fold_1").is_dir()
    stamps = {path: path.stat().st_mtime_ns for path in first.out.rglob("model.keras")}
    fuse(tmp_path / "fusion", "frozen", max_folds=1)
    assert len(stamps) == 3 and all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_subsystems_that_may_know_the_test_clips_are_refused(subsystems, tmp_path):
    with pytest.raises(ValueError, match="trained with another seed"):
        fuse(tmp_path / "a", "frozen", subsystems=subsystems, seed=1)
    with pytest.raises(ValueError, match="trained with another protocol"):
        fuse(tmp_path / "b", "frozen", subsystems=subsystems, protocol="actor")
    with pytest.raises(FileNotFoundError, match="lacks fold 1 of the video subsystem"):
        fuse(tmp_path / "c", "frozen", subsystems={"video": tmp_path})
    with pytest.raises(ValueError, match='set FusionConfig\\(encoders="fine-tuned"\\)'):
        fuse(tmp_path / "d", "end-to-end", subsystems=subsystems)
    assert not list(tmp_path.iterdir())
    mixed = pathlib.Path(shutil.copytree(subsystems["audio"], tmp_path / "mixed"))
    about = json.loads((mixed / "fold_2" / "fold.json").read_text())
    about["config"]["seed"] = 1
    (mixed / "fold_2" / "fold.json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match="fold_2 was trained with another seed"):
        fuse(tmp_path / "e", "frozen", subsystems=subsystems | {"audio": mixed})


def test_too_little_room_is_said_before_anything_is_trained(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        usage = shutil.disk_usage(tmp_path)._replace(free=10_000)
        patch.setattr(checks.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(OSError, match="0 MB free, and 2 folds of this model take about 2 MB: make room"):
            run(tmp_path / "audio")
    assert not list(tmp_path.glob("audio/fold_*"))


@pytest.mark.slow
def test_a_disk_that_fills_up_loses_no_finished_fold_and_the_next_run_goes_on(finished, copied):
    """A real process that may write no file larger than 10 kB: too little for the second fold's model."""
    shutil.rmtree(copied / "fold_2")
    (copied / "summary.json").unlink()
    code = (
        "import resource; import test_cross_validation as t;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000));"
        f"t.run(t.pathlib.Path({str(copied)!r}))"
    )
    here = pathlib.Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True)
    assert done.returncode == 1 and "fold 2 could not be saved" in done.stderr and "make room at" in done.stderr
    assert sorted(path.name for path in copied.iterdir() if path.name[0] != ".") == ["config.json", "fold_1"]
    alike(run(copied).predictions, finished.predictions)


@pytest.mark.slow
def test_folds_side_by_side_are_those_trained_alone(finished, tmp_path):
    both = run(tmp_path / "audio", workers=2)
    alike(both.predictions, finished.predictions)
    assert not list((tmp_path / "audio").glob(".*")), "no trace of the progress is left"


def test_another_configuration_never_reuses_folds_and_loses_none(finished, copied, capsys):
    other = run(copied, audio=dataclasses.replace(PLAIN, fc_units=5))
    assert "held another configuration" in capsys.readouterr().out
    assert not other.predictions.p_calm.equals(finished.predictions.p_calm)
    stamp = next(copied.parent.glob("audio.*/fold_1/predictions.csv")).stat().st_mtime_ns
    back = run(copied)
    pd.testing.assert_frame_equal(back.predictions, finished.predictions)
    assert (copied / "fold_1" / "predictions.csv").stat().st_mtime_ns == stamp, "taken back, not trained"


def test_a_run_of_an_older_version_that_lacks_a_knob_of_today_goes_on(copied, capsys):
    settings = json.loads((copied / "config.json").read_text())
    del settings["audio"]["noise"], settings["train"]["tempo_perturbation"]
    (copied / "config.json").write_text(json.dumps(settings))
    stamp = (copied / "fold_1" / "model.keras").stat().st_mtime_ns
    run(copied)
    assert "held another configuration" not in capsys.readouterr().out
    assert (copied / "fold_1" / "model.keras").stat().st_mtime_ns == stamp


def test_a_copy_that_somebody_put_aside_is_left_alone(copied):
    aside = copied.rename(copied.with_name("audio.old"))
    run(copied)
    assert (aside / "fold_1").is_dir() and (copied / "fold_1").is_dir()


def test_a_training_that_diverges_says_what_to_change(tmp_path):
    with pytest.raises(ValueError, match=r"fold 1 diverged, .* lower learning_rate"):
        run(tmp_path / "audio", train=dataclasses.replace(QUICK, learning_rate=1e20))


def test_a_folder_that_an_older_version_put_aside_by_its_own_key_is_taken_back(copied):
    settings = json.loads((copied / "config.json").read_text())
    del settings["audio"]["noise"], settings["train"]["tempo_perturbation"]
    (copied / "config.json").write_text(json.dumps(settings))
    stamp = (copied / "fold_1" / "model.keras").stat().st_mtime_ns
    aside = copied.rename(copied.with_name("audio.0123abcd"))
    run(copied)
    assert (copied / "fold_1" / "model.keras").stat().st_mtime_ns == stamp and not aside.exists()


def test_other_features_are_another_configuration(finished, copied):
    assert not run(copied, toy(seed=1)).predictions.p_calm.equals(finished.predictions.p_calm)


def test_under_the_actor_protocol_no_actor_is_trained_and_tested_on(tmp_path):
    predictions = run(tmp_path / "audio", protocol="actor").predictions
    assert predictions.groupby("actor").fold.nunique().eq(1).all()


def test_test_labels_change_nothing_that_is_trained(tmp_path):
    """The labels of fold 1's test rows are set wrong after the folds are drawn: weights and probabilities stay."""
    features = toy()
    (train_rows, test_rows), *_ = cross_validation.ravdess.folds(features, "random", 2, 0)
    before = run(tmp_path / "a", features, max_folds=1).predictions
    features.label[test_rows] = 1 - features.label[test_rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_validation.ravdess, "folds", lambda *_: [(train_rows, test_rows)])
        after = run(tmp_path / "b", features, max_folds=1).predictions
    assert np.allclose(before.p_calm, after.p_calm, atol=1e-6)


def test_normalisation_comes_from_the_training_rows_only(finished):
    features = toy()
    (train_rows, _), *_ = cross_validation.ravdess.folds(features, "random", 2, 0)
    model = keras.saving.load_model(finished.out / "fold_1" / "model.keras")
    layer = model.get_layer("audio_normalisation")
    assert np.allclose(np.ravel(layer.mean), features.audio[train_rows].mean(axis=(0, 1)), atol=1e-4)


@pytest.mark.parametrize("protocol", ["random", "actor"])
def test_the_curves_validation_part_is_carved_out_of_the_training_rows(tmp_path, protocol):
    features = toy()
    settings = {"train": {"validation": 0.25}, "protocol": protocol, "seed": 0}
    rows = np.arange(32)
    fit, held = fold.hold_out(features, rows, settings)
    assert len(held) and sorted([*fit, *held]) == rows.tolist()
    if protocol == "actor":
        assert not set(features.actor[fit]) & set(features.actor[held])
    result = run(tmp_path / "a", features, protocol=protocol, train=TrainConfig(2, 16, validation=0.25), max_folds=1)
    assert {"val_loss", "val_accuracy"} <= set(result.history.columns)


def test_errors_come_before_time_is_spent(tmp_path):
    with pytest.raises(ValueError, match="one of video, audio, fusion"):
        cross_validation.cross_validate(toy(), "smell", out=tmp_path / "x")
    with pytest.raises(ValueError, match="needs video features"):
        cross_validation.cross_validate(toy(), "fusion", out=tmp_path / "x")
    with pytest.raises(ValueError, match="at most 6 folds"):
        run(tmp_path / "x", protocol="actor", n_folds=7)
    assert not (tmp_path / "x").exists()


def test_a_folder_without_results_says_which_notebook_makes_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the notebook"):
        cross_validation.load(tmp_path)


def test_an_interrupted_run_is_not_loaded_as_if_it_were_whole(copied):
    (copied / "summary.json").unlink()
    with pytest.raises(FileNotFoundError, match="no finished cross-validation"):
        cross_validation.load(copied)


def test_loading_gives_back_what_was_run(finished):
    assert cross_validation.load(finished.out).summary() == finished.summary()


@pytest.mark.slow
def test_fusion_needs_both_streams_and_neither_alone_can_do_it(tmp_path):
    """The synthetic clips' promise, and the smoke test of the whole chain: fusion ≥ 0.9, each stream near one half."""
    train = TrainConfig(epochs=8, batch_size=16, learning_rate=3e-3)
    feature_set = building.build(datasets.load("synthetic", tmp_path / "clips"), tmp_path / "cache", progress=False)
    small = {"video": SubsystemConfig.video(units=64), "audio": SubsystemConfig.audio(layers=1, units=64)}
    average = {}
    for model in ("video", "audio", "fusion"):
        result = cross_validation.cross_validate(
            feature_set, model, n_folds=2, out=tmp_path / model, train=train, progress=False, **small
        )
        average[model] = result.summary()["average"]
    assert average["fusion"] >= 0.9, average
    assert 0.35 <= average["video"] <= 0.65 and 0.35 <= average["audio"] <= 0.65


def test_the_step_rises_then_falls_along_a_cosine():
    train = TrainConfig(schedule="cosine", learning_rate=0.01, warm_up=0.2, weight_decay=0.1, clip_norm=1.0)
    optimiser = fold.optimiser(train, 100)
    steps = [float(optimiser._learning_rate(n)) for n in (0, 10, 20, 60, 100)]
    assert steps[0] < steps[1] < steps[2] == pytest.approx(0.01) and steps[2] > steps[3] > steps[4]
    assert steps[4] == pytest.approx(0, abs=1e-6) and isinstance(optimiser, keras.optimizers.AdamW)
    assert optimiser.global_clipnorm == 1.0 and optimiser.weight_decay == 0.1


def test_with_softened_mixed_and_masked_clips_it_still_learns_and_validates(tmp_path):
    changes = {"label_smoothing": 0.1, "mixup": 0.3, "time_mask_width": 2, "tempo_perturbation": 0.1}
    train = TrainConfig(epochs=12, batch_size=16, learning_rate=0.02, validation=0.25, **changes)
    result = run(tmp_path / "audio", train=train, audio=TINY)
    assert result.summary()["accuracy"] > 0.8 and result.history.val_accuracy.notna().all()


def test_a_second_process_is_refused_while_one_trains_there_and_is_told_which(tmp_path):
    """A real process that trains until it is killed."""
    code = f"import test_cross_validation as t; t.run(t.pathlib.Path({str(tmp_path / 'audio')!r}), train=t.ENDLESS)"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}  # which starts sooner
    first = subprocess.Popen([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parent, env=environment)
    try:
        patience = time.monotonic() + 120
        while not (tmp_path / "audio" / "config.json").is_file():
            assert first.poll() is None and time.monotonic() < patience, "the first run did not begin"
            time.sleep(0.01)
        for train in (QUICK, ENDLESS):
            with pytest.raises(
                OSError, match=rf"process {first.pid} on {runtime.HOST} .*audio.*another folder as `out`"
            ):
                run(tmp_path / "audio", train=train)
    finally:
        first.kill()
        first.wait()
    assert json.loads((tmp_path / "audio" / "config.json").read_text())["train"]["epochs"] == ENDLESS.epochs
    run(tmp_path / "audio", max_folds=1)  # a killed process holds nothing


def test_folds_of_two_configurations_are_never_pooled(finished, copied, tmp_path):
    other = run(tmp_path / "other", train=dataclasses.replace(QUICK, epochs=3), max_folds=1)
    shutil.rmtree(copied / "fold_1")
    shutil.copytree(other.out / "fold_1", copied / "fold_1")
    words = r"fold_1 was trained with another train \(.*'epochs': 3.*\): delete that folder and run the same again"
    for pool in (run, cross_validation.load):
        with pytest.raises(ValueError, match=words):
            pool(copied)
    shutil.rmtree(copied / "fold_1")
    alike(run(copied).predictions, finished.predictions)


def test_folds_whose_configuration_is_gone_are_not_taken_for_another_ones(copied):
    (copied / "config.json").unlink()
    with pytest.raises(ValueError, match="fold_1 was trained with another seed"):
        run(copied, seed=1)
    run(copied)


def test_folds_of_an_earlier_version_that_do_not_say_how_they_were_trained_go_on(finished, copied):
    for path in copied.glob("fold_*/fold.json"):
        path.unlink()
    assert cross_validation.load(copied).summary() == run(copied).summary() == finished.summary()


def cut(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))


SPOILT = {
    "half": (cut, "holds 11 rows instead of 24"),
    "cut in a row": (lambda path: path.write_text(path.read_text()[:-30]), "holds 23 rows instead of 24|not numbers"),
    "empty": (lambda path: path.write_bytes(b""), "No columns to parse"),
    "garbage": (lambda path: path.write_bytes(b"\xff\x00garbage" * 99), "utf-8"),
    "another table": (lambda path: path.write_text("a,b\n1,2\n"), "lacks the columns clip_id"),
    "a quote": (lambda path: path.write_text(path.read_text().replace("\nclip", '\n"clip', 1)), "EOF inside string"),
    "no numbers": (lambda path: path.write_text(path.read_text().replace("0.", "x.", 1)), "not numbers"),
    "unknown class": (lambda path: path.write_text(re.sub(r",\d,\d,2,", ",7,0,2,", path.read_text(), count=1)), "7"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_damaged_predictions_are_refused_by_name_and_count(kind, copied):
    spoil, words = SPOILT[kind]
    spoil(copied / "fold_2" / "predictions.csv")
    for pool in (cross_validation.load, run):
        with pytest.raises(ValueError, match=rf"fold_2/predictions\.csv .*({words}).*: delete that folder and run"):
            pool(copied)


def test_a_fold_counts_once_and_so_does_a_clip(copied):
    shutil.rmtree(copied / "fold_2")
    shutil.copytree(copied / "fold_1", copied / "fold_2")
    with pytest.raises(ValueError, match=r"fold_2/predictions\.csv .*of another fold"):
        cross_validation.load(copied)
    path = copied / "fold_1" / "predictions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:-1], lines[1]]))
    with pytest.raises(ValueError, match=r"fold_1/predictions\.csv .*holds a clip twice"):
        cross_validation.load(copied)


def test_half_the_predictions_of_an_earlier_version_are_refused_by_the_summarys_count(copied):
    for path in copied.glob("fold_*/fold.json"):
        path.unlink()
    cut(copied / "fold_2" / "predictions.csv")
    with pytest.raises(ValueError, match=r"audio holds predictions of 35 clips, and its summary\.json says 48"):
        cross_validation.load(copied)
    with pytest.raises(ValueError, match=r"fold_2/predictions\.csv .*holds 11 rows instead of 24"):
        run(copied)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"{}", b"[" * 100_000], ids=lambda c: str(c[:9]))
def test_a_damaged_configuration_or_summary_is_named_with_what_to_do(content, finished, copied):
    (copied / "config.json").write_bytes(content)
    for pool in (cross_validation.load, run):
        with pytest.raises(ValueError, match=r"audio/config\.json cannot be used \(.*delete"):
            pool(copied)
    shutil.copy(finished.out / "config.json", copied)
    (copied / "summary.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"audio/summary\.json cannot be used \(.*run the same again"):
        cross_validation.load(copied)
    assert run(copied).summary() == finished.summary(), "a summary is made again"


@pytest.mark.parametrize(
    "name, changes",
    [
        ("config.json", {"train": 5}),
        ("config.json", {"audio": "x"}),
        ("config.json", {"seed": None}),
        ("config.json", {"audio": {"attention": []}}),
        ("summary.json", {"folds": "x"}),
        ("summary.json", {"folds": None}),
        ("fold_1/fold.json", {"config": 5}),
        ("fold_1/fold.json", {"config": {"train": "x"}}),
    ],
)
def test_a_value_of_another_kind_in_a_runs_files_is_named_too(name, changes, copied):
    stored = json.loads((copied / name).read_text())
    (copied / name).write_text(json.dumps(stored | changes))
    with pytest.raises(ValueError, match=rf"{name} cannot be used \("):
        cross_validation.load(copied)


@pytest.mark.parametrize("content", [b"", b"\xff\x00garbage", b"a,b\n1,2\n", None])
def test_a_damaged_history_is_refused_by_name(content, copied):
    path = copied / "fold_2" / "history.csv"
    path.write_bytes(b"".join(path.read_bytes().splitlines(True)[:2]) if content is None else content)  # of two epochs
    for pool in (cross_validation.load, run):
        with pytest.raises(ValueError, match=r"fold_2/history\.csv cannot be used \(.*: delete that folder and run"):
            pool(copied)


def test_a_state_of_another_configuration_is_never_gone_on_with(tmp_path, monkeypatch):
    """Its configuration was lost; the network would take the values."""
    faster = dataclasses.replace(QUICK, learning_rate=0.01)
    alone = run(tmp_path / "alone", train=faster, max_folds=1)
    monkeypatch.setattr(fold, "STATE_EVERY", 0)
    monkeypatch.setattr(fold, "_save", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "audio", max_folds=1)
    monkeypatch.undo()
    (tmp_path / "audio" / "config.json").unlink()
    with pytest.warns(UserWarning, match=r"\.fold_1\.state\.npz .*another configuration.*begins anew"):
        alike(run(tmp_path / "audio", train=faster, max_folds=1).predictions, alone.predictions)


def test_a_folder_under_two_names_is_held_once(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "link").symlink_to("audio")
    words = rf"process {os.getpid()} on .* trains in"
    with run_folder.held(tmp_path / "audio"), pytest.raises(BlockingIOError, match=words):
        run(tmp_path / "link")


@pytest.mark.parametrize("kind", ["half", "another network"])
def test_a_damaged_state_is_reported_and_its_fold_begins_anew(kind, finished, copied):
    shutil.rmtree(copied / "fold_2")
    state = copied / ".fold_2.state.npz"
    about = np.array(json.dumps({"rows": [], "best": 1.0, "since": 0}))
    np.savez(state, about=about, **{f"v{n}": np.zeros((9, 9)) for n in range(99)})
    contents = {"empty": b"", "half": state.read_bytes()[:900], "garbage": b"PK\3\4" * 99}
    state.write_bytes(contents.get(kind, state.read_bytes()))
    with pytest.warns(UserWarning, match=r"\.fold_2\.state\.npz cannot be used .*begins anew"):
        alike(run(copied).predictions, finished.predictions)


def test_ids_that_look_like_numbers_stay_names(tmp_path):
    ids = np.array([f"{i:03}" for i in range(46)] + ["NA", "1e5"])
    result = run(tmp_path / "audio", dataclasses.replace(toy(), clip_id=ids), max_folds=1)
    assert set(result.predictions.clip_id) < set(ids) and set(
        cross_validation.load(result.out).predictions.clip_id
    ) < set(ids)


def test_one_class_alone_is_nothing_to_learn(tmp_path):
    features = toy()
    with pytest.raises(ValueError, match="one class alone, 'calm'"):
        run(tmp_path / "audio", dataclasses.replace(features, label=features.label * 0, classes=("calm",)))
