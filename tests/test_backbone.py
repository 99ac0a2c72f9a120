import subprocess
import sys

import numpy as np
import pytest

from helpers import backbone


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


def test_where_no_weights_can_be_had_random_ones_stand_in_loudly(monkeypatch, capsys):
    monkeypatch.delenv(backbone.WEIGHTS_VARIABLE)
    monkeypatch.setattr(backbone, "_download", lambda: None)
    assert backbone.find_weights() == ("random", "random")
    assert "RANDOM weights stand in" in capsys.readouterr().err


def test_the_random_stand_in_is_the_same_in_every_process():
    code = (
        "import numpy as np; from helpers import backbone; "
        "x = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(1, 48, 48, 3); print(backbone.embed(x, 'random').sum())"
    )
    sums = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(sums) == 1 and float(sums.pop()) > 0


@pytest.mark.real
def test_the_real_weights_load_and_their_first_kernel_sees_edges(shared):
    model = backbone.vgg16(str(shared / "vgg16" / "vgg16_imagenet_notop.h5"))
    kernel = np.asarray(model.layers[1].get_weights()[0])
    assert kernel.shape == (3, 3, 3, 64) and 0.1 < kernel.std() < 0.3
