import zipfile

import numpy as np
import pytest

from helpers.data.ravdess import EMOTIONS
from helpers.predict import exporting, pooled
from helpers.video import expression


@pytest.fixture(scope="module")
def network():
    """The one in the pretrained model."""
    with zipfile.ZipFile(pooled.FILE) as archive:
        names = [name for name in archive.namelist() if name.startswith("expression/")]
        return {n[11:-4]: exporting._array(archive.read(n), n).astype("float32") for n in names}


def test_a_convolution_is_that_of_keras_with_and_without_a_stride():
    import keras

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 12, 12, 3)).astype("float32")
    for size, stride in ((3, 1), (3, 2), (1, 1)):
        layer = keras.layers.Conv2D(5, size, stride, padding="same")
        expected = np.asarray(layer(x))
        arrays = dict(zip(("a/kernel", "a/bias"), map(np.asarray, layer.weights)))
        assert np.allclose(expression._convolve(x, arrays, "a", stride), expected, atol=1e-5)


def test_brightness_and_contrast_change_no_face():
    faces = np.random.default_rng(0).integers(60, 120, (2, 48, 48, 3), dtype=np.uint8)
    assert np.allclose(expression.gray(faces), expression.gray(faces + 100), atol=1e-3)
    assert np.isfinite(expression.gray(np.zeros((1, 48, 48, 3), np.uint8))).all()


def test_the_evidence_of_many_frames_is_that_of_a_few_and_calm_is_taken_as_neutral(network):
    faces = np.random.default_rng(0).integers(0, 255, (1, 48, 48, 3), dtype=np.uint8)
    one, many = expression.evidence(faces, network), expression.evidence(np.repeat(faces, 40, axis=0), network)
    assert one.shape == (8,) and np.allclose(one, many, atol=1e-5)
    assert one[EMOTIONS.index("calm")] == one[EMOTIONS.index("neutral")]
    seven = np.delete(one, EMOTIONS.index("calm"))
    assert np.exp(seven).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.real
def test_it_names_the_expressions_of_fer2013s_public_test(network, shared):
    """Without the mirror images, on a tenth of them; with them and on all, 66 %."""
    from helpers.data import images

    stills = images.fer2013(shared / "fer2013" / "fer2013.zip")
    rows = np.flatnonzero(stills.split == "public")[::10]
    chances = expression.logits(expression.gray(stills.images[rows]), network)
    named = np.array(expression.CLASSES)[chances.argmax(axis=1)]
    assert (named == np.array(stills.classes)[stills.label[rows]]).mean() > 0.6
