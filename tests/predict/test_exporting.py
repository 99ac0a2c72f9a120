import io
import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from no_tensorflow import hide

from helpers import config, runtime
from helpers.data import datasets, synthetic
from helpers.data.exclusions import ClipError
from helpers.features import building
from helpers.predict import exporting, predictor
from helpers.training import cross_validation

ASK = """
import json, sys
from helpers.predict import Predictor
found = Predictor.load(sys.argv[1]).predict(sys.argv[2])
print(json.dumps([found.probabilities, found.streams, found.confident, found.warnings]))
"""

ASK_MANY = """
import json, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]  # the installed suite
try:
    from helpers.data import datasets
except ImportError:
    from helpers.predict import Predictor
    predictor = Predictor.load(sys.argv[1])
    print(json.dumps([list(predictor.predict(path).probabilities.values()) for path in sys.argv[2:]]))
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return synthetic.clip(tmp_path_factory.mktemp("clip") / "new.mp4", "angry", 3, seconds=2.2)


@pytest.fixture(scope="module")
def packed(small_runs, tmp_path_factory):
    """An exported fusion with its subsystems."""
    return exporting.export(small_runs[0] / "fusion", tmp_path_factory.mktemp("packed") / "model.zip")


@pytest.fixture(scope="module")
def audio(small_runs, tmp_path_factory):
    """An exported audio subsystem, small and quickly read."""
    return exporting.export(small_runs[0] / "audio", tmp_path_factory.mktemp("audio") / "audio.zip")


def rewrite(path, to, changes, add=()):
    """A copy of an archive with members changed ({name: function of its bytes}) and some more ((name, bytes))."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, lambda content: content)(old.read(name)))
        for name, content in add:
            new.writestr(name, content)
    return to


def edit(change):
    """A function that changes a JSON member: `change` gets what it holds."""

    def apply(content):
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return apply


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_an_exported_file_answers_the_same_elsewhere_with_either_backend(backend, packed, clip, small_runs, tmp_path):
    shutil.copy(packed, tmp_path / "model.zip")
    path = [str(runtime.PROJECT)] if backend == "tensorflow" else [str(hide(tmp_path / "site")), str(runtime.PROJECT)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-c", ASK, "model.zip", str(clip)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    probabilities, streams, confident, warnings = json.loads(done.stdout.splitlines()[-1])
    here = predictor.Predictor.load(small_runs[0] / "fusion", fold=1).predict(clip)
    for mine, other in ((here.probabilities, probabilities), *((here.streams[s], streams[s]) for s in here.streams)):
        assert np.allclose(list(mine.values()), list(other.values()), atol=1e-4) and list(mine) == list(other)
    assert confident == here.confident and warnings == here.warnings == []


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The fusion of `make demo`, speaker-independent: (folder, {clip_id: path} of fold 1's test clips)."""
    root = tmp_path_factory.mktemp("demo")
    table = datasets.load("synthetic", root / "clips", takes=2)
    feature_set = building.build(table, root / "cache", progress=False)
    settings = {
        "train": config.TrainConfig(epochs=8, batch_size=16, learning_rate=0.003),
        "video": config.SubsystemConfig.video(units=64),
        "audio": config.SubsystemConfig.audio(units=64),
        "progress": False,
    }
    result = cross_validation.cross_validate(feature_set, "fusion", "actor", 3, out=root / "fusion", **settings)
    held = result.predictions[result.predictions.fold == 1].clip_id
    return root / "fusion", table.set_index("clip_id").path[held].to_dict()


@pytest.mark.slow
def test_a_demo_model_handed_on_is_as_good_as_its_summary_says_on_both_backends(demo, tmp_path):
    """In a process that has one file, clips without names, and no code that knows of any data set."""
    folder, held = demo
    training_alone = ("synthetic*", "datasets.py", "own_clips.py", "notebooks.py")
    shutil.copytree(runtime.PROJECT / "helpers", tmp_path / "helpers", ignore=shutil.ignore_patterns(*training_alone))
    exporting.export(folder, tmp_path / "model.zip", fold=1)
    names = {f"{number:03d}.mp4": clip_id for number, clip_id in enumerate(held)}
    for name, clip_id in names.items():
        shutil.copy(held[clip_id], tmp_path / name)
    answers = {}
    for backend in ("tensorflow", "jax"):
        path = [str(hide(tmp_path / "site"))] if backend == "jax" else []
        environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join([*path, str(tmp_path)])}
        command = [sys.executable, "-c", ASK_MANY, "model.zip", *names]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answers[backend] = np.array(json.loads(done.stdout.splitlines()[-1]))
    difference = np.abs(answers["tensorflow"] - answers["jax"]).max()
    table = cross_validation.load(folder).predictions.set_index("clip_id").loc[list(names.values())]
    said = json.loads((folder / "summary.json").read_text())["fold_accuracy"][0]
    right = (answers["jax"].argmax(axis=1) == table.label.to_numpy()).mean()
    print(f"{len(names)} clips: right {right:.4f}, summary {said:.4f}; backends differ by {difference:.2g} at most")
    assert right == pytest.approx(said) and difference < 1e-4 and said > 0.8
    assert answers["jax"].argmax(axis=1).tolist() == table.prediction.tolist()


def test_what_is_stored_comes_back_and_the_same_model_gives_the_same_bytes(small_runs, audio, tmp_path):
    stored, read = predictor.Predictor.load(small_runs[0] / "audio", 1), predictor.Predictor.load(audio)
    mine, other = stored.models["audio"], read.models["audio"]
    assert (mine.temperature, mine.threshold, mine.folds) == (other.temperature, other.threshold, other.folds)
    assert mine.settings == other.settings and stored.preprocessing == read.preprocessing
    assert all(np.array_equal(a, b) for a, b in zip(mine.weights[0], other.weights[0]))
    assert exporting.export(small_runs[0] / "audio", tmp_path / "again.zip").read_bytes() == audio.read_bytes()


def test_all_folds_are_packed_where_they_are_asked_for(small_runs, clip, tmp_path):
    path = exporting.export(small_runs[0] / "audio", tmp_path / "all.zip", fold=None)
    read, stored = (predictor.Predictor.load(where).predict(clip) for where in (path, small_runs[0] / "audio"))
    assert read.probabilities == pytest.approx(stored.probabilities, abs=1e-6)
    with pytest.raises(ValueError, match="what is in a file was chosen when it was made"):
        predictor.Predictor.load(path, fold=1)


def test_a_fusion_alone_is_packed_with_a_warning(small_runs, tmp_path):
    folder = shutil.copytree(small_runs[0] / "fusion", tmp_path / "fusion")
    read = exporting.read(exporting.export(folder, tmp_path / "model.zip"))
    assert list(read[0]) == ["fusion"] and "No video subsystem was exported" in read[2][0]


def test_a_file_in_which_an_earlier_version_packed_vgg16_is_read_too(audio, tmp_path):
    earlier = rewrite(audio, tmp_path / "a.zip", {}, [("vgg16/0.npy", b"1"), ("vgg16.weights", b"1")])
    assert list(exporting.read(earlier)[0]) == ["audio"]


def test_a_file_over_the_limit_is_not_made(small_runs, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "LIMIT", 1000)
    with pytest.raises(ValueError, match="more than 0: export fewer folds"):
        exporting.export(small_runs[0] / "audio", tmp_path / "model.zip")
    assert not list(tmp_path.iterdir())


def test_the_model_card_tells_data_protocol_accuracy_licence_and_limits(small_runs, packed, tmp_path):
    def card(path):
        with zipfile.ZipFile(path) as archive:
            return archive.read("MODEL_CARD.md").decode()

    summary = json.loads((small_runs[0] / "fusion" / "summary.json").read_text())
    assert f"fusion: {100 * summary['accuracy']:.2f} % of 16 test clips (95 % interval over clips" in card(packed)
    for words in ("protocol `random`", "Synthetic clips", "two sentences", "Not for decisions about people", "Fold 1"):
        assert words in card(packed)
    for recorded, data, words in (
        (None, "", "Not recorded"),
        (None, "", "CC BY-NC-SA 4.0"),
        (None, "ravdess", "models trained on it inherit that"),
        ("ravdess", "", "models trained on it inherit that"),
        ("own clips (calls.csv)", "", "The exporter's own clips (calls.csv); their licence is for them to name."),
        ("own clips (calls.csv)", "Calls to a bank.", "## Data\n\nCalls to a bank.\n"),
    ):
        path = exporting.export(recording(small_runs[0] / "audio", recorded, tmp_path), tmp_path / "a.zip", data=data)
        assert words in card(path)
        assert exporting.read(path)[0]["audio"].summary["trained_on"] == (data or recorded or "")


def recording(run, trained_on, folder):
    """A copy of a run that says what it was trained on, or does not, as those of earlier versions."""
    copy = shutil.copytree(run, folder / "run", dirs_exist_ok=True)
    summary = json.loads((run / "summary.json").read_text())
    del summary["trained_on"]
    (copy / "summary.json").write_text(json.dumps(summary | ({"trained_on": trained_on} if trained_on else {})))
    return copy


def test_an_exported_file_knows_what_it_was_trained_on_and_no_exporter_can_hide_synthetic_clips(small_runs, packed):
    with zipfile.ZipFile(packed) as archive:
        assert json.loads(archive.read("bundle.json"))["trained_on"] == "synthetic"
    assert predictor.Predictor.load(packed).trained_on == "synthetic"
    with pytest.raises(ValueError, match="trained on synthetic clips, and its export must say so, not 'ravdess'"):
        exporting.export(small_runs[0] / "audio", packed.with_name("other.zip"), data="ravdess")
    assert not packed.with_name("other.zip").exists()


@pytest.mark.parametrize("name", ["../evil.npy", "/etc/passwd", "audio/../../evil.json", "audio/model.pkl", "C:x"])
def test_a_member_that_does_not_belong_there_is_refused_before_anything_is_read(name, audio, tmp_path):
    with pytest.raises(ValueError, match=r"a\.zip is no exported model, or was changed since: .* does not belong"):
        exporting.read(rewrite(audio, tmp_path / "a.zip", {}, [(name, b"1")]))


def test_a_bomb_is_refused_by_its_declared_size_and_one_that_lies_by_its_checksum(audio, tmp_path):
    bomb = rewrite(audio, tmp_path / "a.zip", {"audio/summary.json": lambda _: b" " * (50 << 20)})
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=r"audio/summary.json would unpack to 52 MB"):
        exporting.read(bomb)
    data = bomb.read_bytes()
    at = data.rindex((50 << 20).to_bytes(4, "little"))  # the size in the archive's directory
    bomb.write_bytes(data[:at] + (1000).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(ValueError, match="Bad CRC-32"):
        exporting.read(bomb)
    many = rewrite(
        audio, tmp_path / "b.zip", {}, [(f"video/fold_{k}/{n}.npy", b"") for k in range(1, 80) for n in range(80)]
    )
    with pytest.raises(ValueError, match="members"):
        exporting.read(many)


def first_format(path, to, changes):
    """An exported file as it was made before: the arrays of a fold as one member, their shapes in bundle.json."""
    with zipfile.ZipFile(path) as old:
        names = [name for name in old.namelist() if name.endswith(".npy")]
        arrays = [np.load(io.BytesIO(old.read(f"audio/fold_1/{number}.npy"))) for number in range(len(names))]
        about = json.loads(old.read("bundle.json")) | {"format": 1, "half": False}
        del about["trained_on"]
        about["models"]["audio"]["shapes"] = [list(array.shape) for array in arrays]
        members = {name: old.read(name) for name in old.namelist() if name not in names}
    members["audio/fold_1.weights"] = b"".join(array.astype("<f4").tobytes() for array in arrays)
    members["bundle.json"] = json.dumps(about).encode()
    with zipfile.ZipFile(to, "w") as new:
        for name, content in members.items():
            new.writestr(name, changes.get(name, lambda content: content)(content))
    return to


def test_a_file_of_the_first_format_is_read_too_and_must_be_whole(audio, tmp_path):
    (mine, *_), (other, *_) = exporting.read(audio), exporting.read(first_format(audio, tmp_path / "a.zip", {}))
    assert all(np.array_equal(a, b) for a, b in zip(mine["audio"].weights[0], other["audio"].weights[0]))

    def longer(about):
        about["models"]["audio"]["shapes"][2][0] += 1

    for member, change in (("bundle.json", edit(longer)), ("audio/fold_1.weights", lambda content: content + b"1234")):
        with pytest.raises(ValueError, match=r"a\.zip is no exported model, or was changed since"):
            exporting.read(first_format(audio, tmp_path / "a.zip", {member: change}))


def array(change):
    """A function that changes a member's array."""

    def apply(content):
        buffer = io.BytesIO()
        np.save(buffer, change(np.load(io.BytesIO(content))))
        return buffer.getvalue()

    return apply


def header(shape):
    """A function that makes a member say another shape than its numbers have."""

    def apply(content):
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
        return buffer.getvalue() + content[128:]

    return apply


@pytest.mark.parametrize(
    "member, change, words",
    [
        ("audio/fold_1/2.npy", header((10**12,)), "another size, than its header says"),
        ("audio/fold_1/2.npy", header((-(10**6), -(10**6))), "another size, than its header says"),
        ("audio/fold_1/2.npy", array(lambda a: a.astype(object)), "than its header says"),
        ("audio/fold_1/2.npy", array(lambda a: a.T), "other shapes than its configuration"),
        ("audio/fold_1/2.npy", array(lambda a: a.astype("<f8")), "other numbers"),
        ("audio/fold_1/2.npy", lambda content: content[:40], "changed since"),
        ("bundle.json", edit(lambda about: about.update(format=4)), "its format is 4"),
        ("bundle.json", edit(lambda about: about.update(asked="video")), "it lacks 'video'"),
        ("bundle.json", edit(lambda about: about["models"]["audio"].update(temperature=0)), "temperature is 0"),
        ("bundle.json", edit(lambda about: about["models"]["audio"].update(threshold=7)), "a threshold of 7"),
        ("bundle.json", lambda _: b"[" * 100_000, "changed since"),
        ("bundle.json", lambda _: b"\xff\xfe", "changed since"),
        (
            "audio/config.json",
            edit(lambda run: run["audio"].update(units=4096)),
            "larger network than the weights",
        ),
        ("audio/config.json", edit(lambda run: run["audio"].update(units=10**9)), "has units 1000000000"),
        ("audio/config.json", edit(lambda run: run["audio"].update(units=9)), "other shapes than its config"),
        ("audio/config.json", edit(lambda run: run["audio"].update(code="import os")), "changed since"),
        ("audio/config.json", edit(lambda run: run.update(model="fusion")), "not that of a audio model"),
        ("audio/fold_1/2.npy", lambda content: content + b"1234", "another size"),
        ("audio/fold_1/2.npy", array(lambda a: a * np.nan), "not all numbers"),
        ("bundle.json", edit(lambda about: about["models"]["audio"].update(folds=[1] * 5000)), "names a fold twice"),
        ("bundle.json", edit(lambda about: about["models"]["audio"].update(folds=["1"])), "something else than a"),
        ("audio/config.json", edit(lambda run: run["audio"].update(units=1, layers=1_900_000)), "has layers 1900000"),
        ("audio/config.json", edit(lambda run: run["audio"].update(layers=1.5)), "has layers 1.5"),
        ("audio/config.json", edit(lambda run: run["audio"].update(frame_stacking=10**6)), "has frame_stacking"),
        ("audio/config.json", edit(lambda run: run.update(classes=[str(n) for n in range(20_000)])), "20000 classes"),
        ("audio/config.json", edit(lambda run: run.update(classes=["a" * 10**5, "b"])), "at most 60 printable"),
        ("audio/config.json", edit(lambda run: run.update(classes=["a\u202eb", "b"])), "at most 60 printable"),
        (
            "audio/config.json",
            edit(lambda run: run.update(classes=["happy"] * 8)),
            "two of its 8 classes have one name",
        ),
        ("audio/fold_1/2.npy", array(lambda a: np.full_like(a, 3e38)), "far too large"),
        ("audio/fold_1/1.npy", array(lambda a: -1 - a), "a variance below 0"),
        ("preprocessing.json", edit(lambda made: made["audio"].update(n_fft=65536, hop_length=480)), "samples to tra"),
        (
            "preprocessing.json",
            edit(lambda made: made["audio"].update(n_fft=65536, hop_length=32)),
            "1500 frames a second",
        ),
        ("preprocessing.json", edit(lambda made: made["audio"].update(n_fft=4096.5)), "has n_fft 4096.5"),
        ("preprocessing.json", edit(lambda made: made["audio"].update(rate=10**12)), "has rate 1000000000000, not"),
        ("preprocessing.json", edit(lambda made: made["audio"].update(shell="rm")), "argument 'shell'"),
        ("preprocessing.json", edit(lambda made: made.update(video=5)), "video is 5, which is no VideoConfig"),
        ("audio/config.json", edit(lambda run: run.update(audio=5)), "audio is 5, which is no SubsystemConfig"),
        ("preprocessing.json", edit(lambda made: made.update(audio=None)), "it lacks 'audio'"),
    ],
)
def test_a_tampered_file_is_refused_and_says_where(member, change, words, audio, tmp_path):
    with pytest.raises(ValueError, match=r"a\.zip is no exported model, or was changed since") as refused:
        exporting.read(rewrite(audio, tmp_path / "a.zip", {member: change}))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"size": 512}, "has size 512, not between 32 and 224"),
        ({"size": 224, "fps": 120}, "pixels through VGG16 a second"),
        ({"detect_sizes": [320] * 100_000}, "has 100000 detect_sizes, more than 8"),
        ({"detect_sizes": [4096] * 8, "fps": 30}, "pixels to search for a face a second"),
        ({"size": [48]}, r"'size': \[48\].* which is no VideoConfig"),
    ],
)
def test_pictures_that_take_too_long_are_refused_before_a_network_is_built(change, words, packed, tmp_path):
    with pytest.raises(ValueError, match=words):
        exporting.read(
            rewrite(packed, tmp_path / "a.zip", {"preprocessing.json": edit(lambda made: made["video"].update(change))})
        )


def test_what_could_not_be_read_is_not_packed_either(small_runs, tmp_path):
    run = shutil.copytree(small_runs[0] / "audio", tmp_path / "run")
    made = json.loads((run / "preprocessing.json").read_text())
    made["audio"]["hop_length"] = 32
    (run / "preprocessing.json").write_text(json.dumps(made))
    with pytest.raises(ValueError, match="asks for 1500 frames a second"):
        exporting.export(run, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_an_answer_that_is_no_number_is_refused(audio, clip, monkeypatch):
    """As that of weights within their bounds which overflow on the way."""
    loaded = predictor.Predictor.load(audio)
    model = next(iter(loaded.models.values()))
    answers = model.answers
    monkeypatch.setattr(type(model), "answers", lambda *given: ([np.full(8, np.nan)], answers(*given[1:])[1]))
    with pytest.raises(ClipError, match=r"new\.mp4: the model's answer is no number"):
        loaded.predict(clip)


def test_a_damaged_file_and_one_of_another_kind_are_refused(audio, tmp_path):
    data = audio.read_bytes()
    (tmp_path / "half.zip").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.zip").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.zip", "w"):
        pass
    for name in ("half.zip", "text.zip", "other.zip"):
        with pytest.raises(ValueError, match=f"{name} is no exported model"):
            exporting.read(tmp_path / name)
