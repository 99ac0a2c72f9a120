import dataclasses
import json
import runpy
import shutil

import av
import numpy as np
import pytest
import soundfile
import test_faces

from helpers.audio import speech
from helpers.config import AudioConfig, VideoConfig
from helpers.data import mp4, synthetic
from helpers.data.exclusions import ClipError
from helpers.features import clip as clip_features
from helpers.features.clip import ClipFeatures, Preprocessing
from helpers.predict import predictor as predict
from helpers.predict import windows
from helpers.predict.prediction import DRAWN_FACES
from helpers.training import cross_validation
from helpers.video import backbone, decoding, faces


@pytest.fixture(scope="module")
def runs(small_runs):
    return small_runs[0]


@pytest.fixture(scope="module")
def fusion(runs):
    """The fusion of fold 1 with its subsystems, as the networks answer: at temperature 1."""
    return plain(predict.Predictor.load(runs / "fusion", fold=1))


@pytest.fixture(scope="module")
def lone(runs, tmp_path_factory):
    """The fusion alone: a copy that has no subsystems beside it."""
    folder = shutil.copytree(runs / "fusion", tmp_path_factory.mktemp("lone") / "fusion")
    return predict.Predictor.load(folder, fold=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip that was in no training."""
    return synthetic.clip(tmp_path_factory.mktemp("clip") / "new.mp4", "happy", 3, seconds=2.2)


def plain(predictor):
    predictor.models = {kind: dataclasses.replace(m, temperature=1.0) for kind, m in predictor.models.items()}
    return predictor


def close(a, b, atol=1e-4):
    return np.allclose(list(a.values()), list(b.values()), atol=atol)


def test_a_test_clip_is_answered_as_in_the_cross_validation_and_so_is_each_modality(runs, small_runs, fusion):
    path = dict(zip(small_runs[1].clip_id, small_runs[1].video_path))
    tables = {
        kind: cross_validation.load(runs / kind).predictions.set_index("clip_id") for kind in cross_validation.MODELS
    }
    held = tables["fusion"].index[tables["fusion"].fold == 1][::3]
    for clip_id in held:
        found = fusion.predict(path[clip_id])
        stored = {kind: [table.loc[clip_id, f"p_{name}"] for name in fusion.classes] for kind, table in tables.items()}
        assert np.allclose(list(found.probabilities.values()), stored["fusion"], atol=1e-4)
        assert found.emotion == fusion.classes[tables["fusion"].loc[clip_id, "prediction"]]
        for stream in ("video", "audio"):
            assert np.allclose(list(found.streams[stream].values()), stored[stream], atol=1e-4)
        assert not found.warnings and list(found.probabilities) == list(fusion.classes)


def test_all_folds_together_answer_with_their_mean(runs, clip):
    both = plain(predict.Predictor.load(runs / "audio"))
    each = [plain(predict.Predictor.load(runs / "audio", fold=k)).predict(clip).probabilities for k in (1, 2)]
    mean = {name: (each[0][name] + each[1][name]) / 2 for name in both.classes}
    assert close(both.predict(clip).probabilities, mean, 1e-6) and not close(*each)
    assert close(both.predict(clip).probabilities, mean, 1e-6), "the second time too"


def test_an_answer_holds_what_is_needed_to_draw_it(fusion, clip):
    found = fusion.predict(clip)
    assert found.emotion == max(found.probabilities, key=found.probabilities.get)
    assert sum(found.probabilities.values()) == pytest.approx(1)
    for stream in ("video", "audio"):
        assert found.attention[stream].shape == found.times[stream].shape
        assert found.attention[stream].sum() == pytest.approx(1, abs=1e-5) and (found.attention[stream] >= 0).all()
    assert found.faces.frames.shape == (len(found.times["video"]), 48, 48, 3)
    assert len(found.samples) == pytest.approx(2.2 * found.rate, rel=0.05)
    (whole,) = found.timeline
    assert whole.start == 0 and whole.end == pytest.approx(2.2, abs=0.1) and whole.probabilities == found.probabilities


def test_without_one_modality_the_other_ones_model_answers_and_a_warning_says_so(fusion, clip, tmp_path):
    whole = fusion.predict(clip)
    mute, silent, empty = (
        synthetic.clip(tmp_path / f"{n}.mp4", "happy", 3, seconds=2.2, **{option: value})
        for n, (option, value) in enumerate((("sound", False), ("silent", True), ("face", False)))
    )
    for path, words in ((mute, "no sound stream"), (silent, "digital silence")):
        found = fusion.predict(path)
        assert close(found.probabilities, whole.streams["video"], 1e-3) and list(found.streams) == ["video"]
        assert "answered from the video alone" in found.warnings[0] and words in found.warnings[0]
    found = fusion.predict(empty)
    assert close(found.probabilities, whole.streams["audio"], 1e-3) and list(found.attention) == ["audio"]
    assert "no face in any of its" in found.warnings[0] and "from the audio alone" in found.warnings[0]
    soundfile.write(tmp_path / "voice.wav", whole.samples, whole.rate, subtype="FLOAT")
    assert close(fusion.predict(tmp_path / "voice.wav").probabilities, whole.streams["audio"], 1e-3)


def test_a_model_trained_on_synthetic_clips_says_first_that_it_knows_nothing_about_any_other(
    runs, fusion, lone, clip, tmp_path, capsys
):
    assert fusion.trained_on == lone.trained_on == "synthetic"
    other, samples = tmp_path / "other.mp4", fusion.predict(clip).samples
    mp4.write(other, [picture.rgb() for picture in decoding.decode(clip)], samples, size=(320, 240), rate=48_000)
    soundfile.write(tmp_path / "voice.wav", samples, 48_000)
    for path in (other, tmp_path / "voice.wav"):
        assert fusion.predict(path).warnings[0] == DRAWN_FACES
    assert lone.predict(other).warnings == [DRAWN_FACES, *lone.warnings]
    assert predict.main(["--model", str(runs / "audio"), str(other), str(clip)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and said[1].strip() == "Trained on drawn faces: this says nothing about a person."


@pytest.mark.parametrize("trained_on", ["ravdess", None])
def test_a_run_that_was_trained_on_something_else_or_does_not_say_gets_no_such_warning(trained_on, runs, tmp_path):
    folder = shutil.copytree(runs / "audio", tmp_path / "audio")
    summary = json.loads((folder / "summary.json").read_text()) | {"trained_on": trained_on}
    (folder / "summary.json").write_text(json.dumps({n: v for n, v in summary.items() if v is not None}))
    found = predict.Predictor.load(folder, fold=1)
    soundfile.write(tmp_path / "voice.wav", np.random.default_rng(0).normal(0, 0.1, 48_000), 48_000)
    assert found.trained_on == (trained_on or "") and not found.predict(tmp_path / "voice.wav").warnings


def test_a_fusion_without_subsystems_says_so_and_refuses_a_clip_that_lacks_a_modality(lone, clip, tmp_path):
    assert len(lone.warnings) == 2 and "video subsystem is not beside it" in lone.warnings[0]
    found = lone.predict(clip)
    assert found.streams == {} and found.warnings == lone.warnings
    mute = synthetic.clip(tmp_path / "mute.mp4", "happy", 3, sound=False)
    with pytest.raises(ClipError, match=r"mute.mp4: has no sound stream; .* no subsystem .* from the video alone"):
        lone.predict(mute)


def test_a_subsystem_that_was_trained_on_other_folds_is_not_taken(runs, lone, tmp_path):
    lone_folder = shutil.copytree(runs / "fusion", tmp_path / "fusion")
    audio = shutil.copytree(runs / "audio", tmp_path / "audio")
    table = cross_validation.load(audio).predictions.assign(fold=lambda t: 3 - t.fold)
    for k in (1, 2):
        table[table.fold == k].to_csv(audio / f"fold_{k}" / "predictions.csv", index=False)
    found = predict.Predictor.load(lone_folder, fold=1)
    assert list(found.models) == ["fusion"] and "audio subsystem was trained on other folds" in found.warnings[1]
    shutil.copytree(runs / "video", tmp_path / "video")
    assert list(predict.Predictor.load(lone_folder, fold=1).models) == ["fusion", "video"]


def test_stereo_at_another_rate_and_a_rotated_video_are_answered_alike(fusion, clip, tmp_path):
    whole = fusion.predict(clip)
    with av.open(str(clip)) as container:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=44_100)
        parts = [out.to_ndarray() for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    soundfile.write(tmp_path / "cd.flac", np.concatenate(parts, axis=1).T, 44_100)
    found = fusion.predict(tmp_path / "cd.flac")
    assert found.rate == 48_000 and close(found.probabilities, whole.streams["audio"], 0.02)
    upright = [picture.rgb() for picture in decoding.decode(clip)]
    test_faces.film(tmp_path / "turned.mp4", [np.rot90(frame) for frame in upright], 30000 / 1001, 90)
    found = fusion.predict(tmp_path / "turned.mp4")
    assert found.faces.found.all() and close(found.probabilities, whole.streams["video"], 0.05)


def test_a_long_clip_has_a_timeline_and_its_answer_is_the_mean(fusion, tmp_path):
    found = fusion.predict(synthetic.clip(tmp_path / "long.mp4", "sad", 4, seconds=10))
    assert [round(part.start, 1) for part in found.timeline] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert all(part.end - part.start == pytest.approx(3) for part in found.timeline)
    mean = {name: np.mean([part.probabilities[name] for part in found.timeline]) for name in fusion.classes}
    assert close(found.probabilities, mean, 1e-9) and not found.warnings
    for stream in ("video", "audio"):
        assert len(found.attention[stream]) == len(found.times[stream])
        assert found.attention[stream].sum() == pytest.approx(1, abs=1e-5) and (found.attention[stream] > 0).all()


def test_an_answer_broken_off_between_two_folds_spoils_no_later_one(runs, clip, monkeypatch):
    model = predict.Predictor.load(runs / "audio")
    before = model.predict(clip).probabilities
    (network,) = {id(part.network): part.network for part in model.models.values()}.values()
    whole = type(network).set_weights

    def broken(self, weights):
        if weights is model.models["audio"].weights[1]:
            whole(self, [weights[0], *self.get_weights()[1:]])
            raise KeyboardInterrupt
        whole(self, weights)

    monkeypatch.setattr(type(network), "set_weights", broken)
    model.models["audio"]._held[0] = model.models["audio"].weights[0]
    network.set_weights(model.models["audio"].weights[0])
    with pytest.raises(KeyboardInterrupt):
        model.predict(clip)
    monkeypatch.undo()
    assert close(model.predict(clip).probabilities, before, 1e-6)


def long_clip(seconds=10.0, face=(0, 10), voice=(0, 10)):
    """Features of nothing, with a face and a voice only here and there."""
    preprocessing = Preprocessing(VideoConfig(), AudioConfig(), "random")
    times = np.arange(0, seconds, 1 / 7.5, dtype=np.float32)
    shape = (len(times), 48, 48, 3)
    found = (times >= face[0]) & (times < face[1])
    track = faces.FaceTrack(np.zeros(shape, np.uint8), found, np.zeros((len(times), 4), np.float32), times)
    samples = np.zeros(int(48_000 * seconds), np.float32)
    samples[48_000 * voice[0] : 48_000 * voice[1]] = 0.1
    steps = 1 + (len(samples) - 4096) // 2048
    features = {"video": np.zeros((len(times), 512), np.float32), "audio": np.zeros((steps, 13), np.float32)}
    times = {"video": times, "audio": speech.frame_times(steps).astype(np.float32)}
    lasting = dict.fromkeys(features, seconds)
    return ClipFeatures("a.mp4", preprocessing, features, times, lasting, {}, track, samples, 48_000)


def test_windows_cover_the_clip_and_each_has_its_own_steps():
    clip = long_clip(10.4)
    parts = windows.cut(clip)
    assert parts[0].start == 0 and parts[-1].end == pytest.approx(10.4)
    assert np.diff([part.start for part in parts]).max() <= 1.06
    for part in parts:
        for stream, steps in part.steps.items():
            times = clip.times[stream][steps]
            assert times.min() >= part.start - 1e-3 and times.max() <= part.end + 1e-3
        assert part.steps["audio"].stop - part.steps["audio"].start in (68, 69)
    (inputs, count), *rest = windows.batches(clip, parts, ("video", "audio"))
    assert count == len(parts) and not rest and inputs["video"].shape == (windows.AT_ONCE, 24, 512)
    assert inputs["audio"].shape == (windows.AT_ONCE, 69, 13) and inputs["video_length"].min() >= 22


def test_a_window_without_a_face_or_a_sound_lacks_that_modality():
    parts = windows.cut(long_clip(face=(0, 4), voice=(5, 10)))
    assert [sorted(part.steps) for part in parts] == [
        *(["video"] for _ in range(3)),
        ["audio", "video"],
        *(["audio"] for _ in range(4)),
    ]


def test_a_window_whose_frames_are_silent_lacks_the_sound_though_some_comes_before_the_first(tmp_path):
    clip = long_clip()
    samples = np.zeros_like(clip.samples)
    begins = clip.times["audio"] - 4096 / 48_000 / 2
    first = np.searchsorted(begins, 3.0 - 1e-4)
    samples[: int(begins[first] * 48_000)] = 0.1
    part = windows.cut(dataclasses.replace(clip, samples=samples))[3]
    assert part.start == pytest.approx(3) and "audio" not in part.steps and begins[first] > 3.001


def test_a_frame_every_four_seconds_still_gives_every_window_one():
    clip = long_clip(20.0)
    times = np.arange(0, 20, 4, dtype=np.float32)
    track = faces.FaceTrack(np.zeros((5, 48, 48, 3), np.uint8), times >= 0, np.zeros((5, 4), np.float32), times)
    clip = dataclasses.replace(clip, faces=track, times=clip.times | {"video": times})
    steps = [part.steps["video"] for part in windows.cut(clip)]
    assert all(part.stop - part.start == 1 for part in steps) and steps[1] == slice(0, 1) and steps[2] == slice(1, 2)


def test_windows_that_lack_a_modality_are_answered_from_the_other_and_it_is_said(fusion, lone, monkeypatch):
    monkeypatch.setattr(clip_features, "read", lambda *_: long_clip(face=(0, 4)))
    found = fusion.predict("a.mp4")
    assert len(found.timeline) == 8 and found.warnings[1] == "4 of 8 windows are answered from the audio alone."
    assert "A face was found in only 30 of 75 frames." in found.warnings
    found = lone.predict("a.mp4")
    assert len(found.timeline) == 4 and "4 of 8 windows are left out" in " ".join(found.warnings)
    assert found.attention["video"][50:].max() == 0


@pytest.mark.parametrize("kind", ["text", "empty", "away", "nothing"])
def test_a_file_that_tells_nothing_is_refused_by_name(kind, fusion, tmp_path):
    path = tmp_path / f"{kind}.mp4"
    if kind == "text":
        path.write_text("this is no video\n" * 50)
    elif kind == "empty":
        path.touch()
    elif kind == "nothing":
        synthetic.clip(path, "happy", 3, face=False, silent=True)
    words = "no face in any of its .*; digital silence" if kind == "nothing" else "no pictures could be read"
    with pytest.raises(ClipError, match=rf"^{kind}.mp4: {words}"):
        fusion.predict(path)


def test_an_answer_is_confident_above_the_threshold(runs, fusion, clip):
    assert all(0 <= model.threshold <= 1 for model in fusion.models.values())
    low, high = (predict.Predictor.load(runs / "audio", 1, threshold=at) for at in (0.0, 1.0))
    assert low.predict(clip).confident and not high.predict(clip).confident


def test_the_temperature_of_a_fold_comes_from_the_other_folds(runs, tmp_path):
    one = predict.Predictor.load(runs / "audio", fold=1).models["audio"]
    folder = shutil.copytree(runs / "audio", tmp_path / "audio")
    table = cross_validation.load(folder).predictions
    table.loc[table.fold == 1, "label"] = 0
    table[table.fold == 1].to_csv(folder / "fold_1" / "predictions.csv", index=False)
    again = {fold: predict.Predictor.load(folder, fold=fold).models["audio"] for fold in (1, 2)}
    assert again[1].temperature == one.temperature and again[1].threshold == one.threshold
    assert again[2].temperature != predict.Predictor.load(runs / "audio", fold=2).models["audio"].temperature


def test_one_fold_alone_is_not_calibrated_and_says_so(runs, clip, tmp_path):
    folder = shutil.copytree(runs / "audio", tmp_path / "audio")
    shutil.rmtree(folder / "fold_2")
    left = len((folder / "fold_1" / "predictions.csv").read_text().splitlines()) - 1
    summary = json.loads((folder / "summary.json").read_text()) | {"folds": 1, "n": left}
    (folder / "summary.json").write_text(json.dumps(summary))
    found = predict.Predictor.load(folder)
    assert "not calibrated" in found.warnings[0] and found.models["audio"].temperature is None
    assert close(
        found.predict(clip).probabilities, plain(predict.Predictor.load(runs / "audio", 1)).predict(clip).probabilities
    )


def test_a_run_that_does_not_say_how_its_features_were_made_is_taken_as_the_thesis(runs, clip, tmp_path):
    folder = shutil.copytree(runs / "audio", tmp_path / "audio")
    (folder / "preprocessing.json").unlink()
    found = predict.Predictor.load(folder, fold=1)
    assert "the thesis' preprocessing is assumed" in found.warnings[0] and found.preprocessing.audio == AudioConfig()
    assert close(
        found.predict(clip).probabilities, predict.Predictor.load(runs / "audio", 1).predict(clip).probabilities
    )


def test_a_run_with_other_preprocessing_is_answered_with_it_or_refused(runs, tmp_path):
    folder = shutil.copytree(runs / "audio", tmp_path / "audio")
    stored = json.loads((folder / "preprocessing.json").read_text())
    stored["audio"] |= {"n_mfcc": 20}
    (folder / "preprocessing.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="trained on features that its preprocessing does not make"):
        predict.Predictor.load(folder)


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("preprocessing.json", {"video": 5}, "video is 5, which is no VideoConfig"),
        ("preprocessing.json", {"audio": {"shell": 1}}, "audio is {'shell': 1}, which is no AudioConfig"),
        ("preprocessing.json", {"audio": {"rate": "x"}}, "audio is {'rate': 'x'}, which is no AudioConfig"),
        ("config.json", {"model": "y"}, "model is 'y', which is none of video, audio, fusion"),
        ("config.json", {"audio": 5}, "audio is 5, which is no SubsystemConfig"),
        ("config.json", {"train": {"epochs": "x"}}, "train is {'epochs': 'x'}, which is no TrainConfig"),
    ],
)
def test_a_setting_that_is_none_is_named_with_its_file(name, change, words, runs, tmp_path):
    folder = shutil.copytree(runs / "audio", tmp_path / "audio")
    stored = json.loads((folder / name).read_text()) | change
    (folder / name).write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=rf"audio/{name} cannot be used \({words}.*again"):
        predict.Predictor.load(folder)


def test_other_vgg16_weights_than_the_trainings_are_warned_of_and_lacking_ones_refused(monkeypatch):
    preprocessing = Preprocessing(video=VideoConfig(), vgg16="imagenet")
    with pytest.raises(FileNotFoundError, match="VGG16's weights are lacking"):
        clip_features.find_vgg16(preprocessing)
    assert "right only if the training had them" in clip_features.find_vgg16(Preprocessing(video=VideoConfig()))[1]
    monkeypatch.setattr(backbone, "find_weights", lambda: ("a.h5", "0123abcd"))
    source, warning = clip_features.find_vgg16(preprocessing)
    assert source == "a.h5" and "are 0123abcd here, imagenet in training" in warning
    assert clip_features.find_vgg16(dataclasses.replace(preprocessing, vgg16="random")) == ("random", "")


def test_folders_and_folds_that_are_not_there_are_refused(runs, tmp_path):
    with pytest.raises(ValueError, match="has the folds 1, 2; there is no fold 7"):
        predict.Predictor.load(runs / "audio", fold=7)
    with pytest.raises(FileNotFoundError, match="no finished cross-validation"):
        predict.Predictor.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no exported model and no run's folder"):
        predict.Predictor.load(tmp_path / "nowhere.zip")


def test_the_command_prints_a_line_a_clip_and_names_what_cannot_be_answered(runs, clip, tmp_path, capsys, monkeypatch):
    model = ["--model", str(runs / "audio")]
    (tmp_path / "text.mp4").write_text("no clip")
    assert predict.main([*model, "--fold", "1", str(tmp_path / "text.mp4"), str(clip)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"{clip}: ") and "%" in said.out and "text.mp4: no sound could be read" in said.err
    assert predict.main([*model, "--json", str(clip)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["clip"] == str(clip) and sum(found["probabilities"].values()) == pytest.approx(1)
    assert len(found["timeline"]) == 1 and found["emotion"] in found["probabilities"]
    answer = predict.Predictor.predict

    def faulty(self, path):
        if path == "strange.mp4":
            raise KeyError("a fault that nobody foresaw")
        return answer(self, path)

    monkeypatch.setattr(predict.Predictor, "predict", faulty)
    assert predict.main([*model, "strange.mp4", str(clip)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("strange.mp4: KeyError: ") and said.out.startswith(f"{clip}: ")
    with pytest.raises(SystemExit, match="no exported model"):
        predict.main([str(clip), "--model", str(tmp_path / "nothing.zip")])
    monkeypatch.setattr("helpers.predict.predictor.main", lambda: 256)  # a process's status is taken modulo 256
    with pytest.raises(SystemExit, match="125"):
        runpy.run_module("helpers.predict", run_name="__main__")
