import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers.data import datasets, manifest, ravdess
from helpers.features import building
from helpers.video import backbone


def test_a_face_becomes_512_numbers_and_the_input_is_left_alone():
    faces = np.random.default_rng(0).integers(0, 255, (3, 48, 48, 3), dtype=np.uint8)
    before = faces.copy()
    vectors = backbone.embed(faces, "random")
    assert vectors.shape == (3, 512) and vectors.dtype == np.float32 and np.array_equal(faces, before)
    assert vectors.std(axis=0).any(), "different faces, different numbers"


def test_no_faces_give_no_rows():
    assert backbone.embed(np.zeros((0, 48, 48, 3), np.uint8), "random").shape == (0, 512)


def test_it_is_frozen():
    assert backbone.vgg16("random").trainable_weights == [] and backbone.vgg16("random").count_params() == 14_714_688


def test_weights_are_taken_from_the_path_then_from_the_variable(tmp_path, monkeypatch):
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    one.write_bytes(b"1"), two.write_bytes(b"2")
    monkeypatch.setenv(backbone.WEIGHTS_VARIABLE, str(two))
    assert backbone.find_weights(one)[0] == str(one) and backbone.find_weights()[0] == str(two)
    assert backbone.find_weights(one)[1] != backbone.find_weights(two)[1], "other weights, another cache"


def test_a_path_with_no_file_is_an_error_not_a_stand_in(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no VGG16 weights"):
        backbone.find_weights(tmp_path / "nowhere.h5")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No weights on this machine, and a manifest whose server is not there: Keras' folder of models."""
    path = tmp_path / "manifest.csv"
    digest = hashlib.md5(b"weights").hexdigest()
    path.write_text(f"dataset,file,url,bytes,md5,licence\nvgg16,v.h5,http://localhost:9/v.h5,,{digest},\n")
    for name, value in {"EMOTION_MANIFEST": path, "KERAS_HOME": tmp_path / "keras"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv(backbone.WEIGHTS_VARIABLE)
    fetch = manifest.fetch
    monkeypatch.setattr(manifest, "fetch", lambda *given, pause: fetch(*given, pause=0.001))
    backbone._download.cache_clear()
    yield tmp_path / "keras" / "models"
    backbone._download.cache_clear()


def test_weights_that_cannot_be_fetched_are_an_error_that_says_what_to_do_and_the_next_call_tries_again(nowhere):
    with pytest.raises(FileNotFoundError, match=r"v\.h5.*\n.*set EMOTION_VGG16_WEIGHTS to its path"):
        backbone.find_weights()
    nowhere.mkdir(parents=True, exist_ok=True)
    (nowhere / "v.h5").write_bytes(b"other weights")
    with pytest.raises(FileNotFoundError, match=r"v\.h5"):
        backbone.find_weights()  # is not the file the manifest means
    (nowhere / "v.h5").write_bytes(b"weights")
    assert backbone.find_weights() == (str(nowhere / "v.h5"), "imagenet")


def test_real_clips_never_meet_random_weights_unasked_and_synthetic_ones_may(clips, nowhere, tmp_path, capsys):
    table = datasets.load("synthetic", clips)[:1]
    made = building.build(table, tmp_path / "cache", workers=1, progress=False)
    assert made.preprocessing["vgg16"] == "random" and "RANDOM weights stand in" in capsys.readouterr().err
    real = ravdess.index(clips)[:1]
    real.attrs["data"] = "ravdess"
    with pytest.raises(FileNotFoundError, match="set EMOTION_VGG16_WEIGHTS"):
        building.build(real, tmp_path / "other", workers=1, progress=False)
    assert not list((tmp_path / "other").rglob("*.npz")), "before any time is spent"
    made = building.build(real, tmp_path / "cache", workers=1, progress=False, weights="random")
    assert made.preprocessing["vgg16"] == "random", "asked for by name"


def test_the_random_stand_in_is_the_same_in_every_process():
    code = (
        "import numpy as np; from helpers.video import backbone; "
        "x = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(1, 48, 48, 3); print(backbone.embed(x, 'random').sum())"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}  # starts sooner, and is as good another process
    one = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment).stdout)
    other = backbone.embed(np.arange(48 * 48 * 3, dtype=np.uint8).reshape(1, 48, 48, 3), "random").sum()
    assert one > 0 and one == pytest.approx(other, rel=1e-4)


@pytest.mark.real
def test_the_real_weights_load_and_their_first_kernel_sees_edges(shared):
    model = backbone.vgg16(str(shared / "vgg16" / "vgg16_imagenet_notop.h5"))
    kernel = np.asarray(model.layers[1].get_weights()[0])
    assert kernel.shape == (3, 3, 3, 64) and 0.1 < kernel.std() < 0.3
