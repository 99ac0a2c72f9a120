"""ONNX files, run as docs/own_clips.md shows it, by a process that has nothing but NumPy and ONNX Runtime."""

import dataclasses
import importlib.util
import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from helpers import runtime
from helpers.predict import exporting, fold_ensemble

ALONE = """
import sys
for name in ("tensorflow", "jax", "keras", "torch", "onnx", "tf2onnx", "helpers"):
    sys.modules[name] = None  # importing it is an ImportError
"""


@pytest.fixture(scope="module")
def example():
    """The Python code in the docs."""
    (code,) = re.findall(r"```python\n(.*?)```", (runtime.PROJECT / "docs" / "own_clips.md").read_text(), re.DOTALL)
    return code


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="ONNX files are made with TensorFlow alone")
@pytest.mark.parametrize("kind, fold", [("fusion", None), ("audio", 2)])
def test_the_docs_example_answers_as_the_suite_does_without_keras_and_without_the_suite(
    kind, fold, example, small_runs, tmp_path
):
    folder, _, features = small_runs
    assert exporting.export(folder / kind, tmp_path / "model.onnx", fold, format="onnx") == tmp_path / "model.onnx"
    model = fold_ensemble.load_with_subsystems(folder / kind, fold)[0][kind]
    differences = []
    for rows in ([0], [3, 7, 5]):  # one clip, and three of other lengths, padded no further than they need
        inputs = features.inputs(rows, model.streams)
        for stream in model.streams:
            inputs[stream] = inputs[stream][:, : inputs[f"{stream}_length"].max()]
        dataclasses.replace(features.subset(rows), **inputs).save(tmp_path / "features.npz")
        code = f'{ALONE}{example}\nnp.save("answer.npy", probabilities)\nprint(json.dumps(about))'
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = np.load(tmp_path / "answer.npy")
        assert found.shape == (len(rows), 8) and found.dtype == np.float32
        differences.append(np.abs(found - model.answer(inputs)[0]).max())
    print(f"{kind}, fold {fold}: differs by {max(differences):.2g} at most")
    assert max(differences) < 1e-3
    shown, about = done.stdout.splitlines()
    about = json.loads(about)
    assert shown.startswith("{'neutral': ") and json.loads(about["classes"]) == list(features.classes)
    assert about["trained_on"] == "synthetic" and float(about["threshold"]) == model.threshold
    assert json.loads(about["preprocessing"])["audio"]["n_mfcc"] == 13
    assert "ONNX Runtime" in about["model_card"] and "Not for decisions about people" in about["model_card"]


def test_on_another_backend_and_without_the_packages_the_export_says_what_to_do(small_runs, tmp_path, monkeypatch):
    options = {"run": small_runs[0] / "audio", "path": tmp_path / "model.onnx", "format": "onnx"}
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="with TensorFlow: set KERAS_BACKEND=tensorflow before the program starts"):
        exporting.export(**options)
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"ONNX files take two more packages: pip install tf2onnx 'onnx<1.19'"):
        exporting.export(**options)
    assert not list(tmp_path.iterdir())


def test_another_format_is_refused(small_runs, tmp_path):
    with pytest.raises(ValueError, match="format is 'pickle'; one of zip, onnx"):
        exporting.export(small_runs[0] / "audio", tmp_path / "model.pkl", format="pickle")
