import numpy as np
import pytest

from helpers.data.images import ImageSet
from helpers.video import backbone, fine_tuning
from helpers.video.fine_tuning import FineTuneConfig


@pytest.fixture(scope="module")
def labelled():
    """Bright above and bright below, noisy: (ImageSet of two classes, 48 to train on and 16 to test)."""
    rng, label = np.random.default_rng(0), np.tile([0, 1], 32)
    images = rng.integers(0, 60, (64, 48, 48, 3)).astype(np.uint8)
    for image, which in zip(images, label):
        image[24 * which : 24 * which + 24] += 120
    names = np.array([f"{n}.png" for n in range(64)])
    parts = np.where(np.arange(64) < 48, "train", "public")
    return ImageSet(images, label, parts, names, classes=("above", "below"))


@pytest.fixture(scope="module")
def tuned(labelled, tmp_path_factory):
    path = tmp_path_factory.mktemp("tuned") / "faces.weights.h5"
    config = FineTuneConfig(epochs=4, batch_size=8, learning_rate=3e-4, views=1)
    return path, *fine_tuning.fine_tune(labelled, path, "random", config, progress=False)


def test_the_two_halves_together_are_the_whole(labelled):
    base = backbone.vgg16("random")
    lower, upper = fine_tuning.split(base)
    halves = upper.predict(fine_tuning._apply(lower, labelled.images[:4]).astype(np.float32), verbose=0)
    whole = backbone.embed(labelled.images[:4], base)
    assert np.allclose(halves, whole, rtol=0.02, atol=0.02 * whole.max()), "up to half precision between them"
    assert upper.trainable_weights and not base.trainable_weights


def test_it_learns_and_reports_every_epoch(labelled, tuned):
    _, model, history = tuned
    assert [row["epoch"] for row in history] == [1, 2, 3, 4] and history[-1]["loss"] < history[0]["loss"]
    test = labelled.subset(labelled.split == "public")
    probabilities = fine_tuning.predict(model, backbone.vgg16("random"), test.images)
    assert probabilities.shape == (16, 2) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == test.label).mean() > 0.8


def test_the_file_is_a_backbone_whose_lower_blocks_are_untouched(tuned, labelled):
    path, model, _ = tuned
    source, identity = backbone.find_weights(path)
    learnt, before = backbone.base(source).get_weights(), backbone.vgg16("random").get_weights()
    same = [np.array_equal(a, b) for a, b in zip(learnt, before)]
    assert all(same[:14]) and not any(same[14::2]), "blocks 1 to 3 kept, each kernel above them changed"
    assert identity not in ("random", "imagenet") and len(list(path.parent.iterdir())) == 1
    assert all(np.array_equal(a, b) for a, b in zip(learnt[14:], model.get_weights()))


def test_views_are_the_image_as_it_is_mirrored_and_moved(labelled):
    images = labelled.images[:3]
    assert fine_tuning.view(images, 0) is images
    assert np.array_equal(fine_tuning.view(images, 1), images[:, :, ::-1])
    moved, again, other = (fine_tuning.view(images, n, seed=1) for n in (2, 2, 3))
    assert np.array_equal(moved, again) and not np.array_equal(moved, other) and moved.shape == images.shape


def test_nothing_to_train_on_and_a_wrong_ending_are_refused(labelled, tmp_path):
    with pytest.raises(ValueError, match="0 images to train on"):
        fine_tuning.fine_tune(labelled.subset(labelled.split == "public"), tmp_path / "a.weights.h5", "random")
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5"):
        fine_tuning.fine_tune(labelled, tmp_path / "a.h5", "random")
    with pytest.raises(ValueError, match="too few"):
        FineTuneConfig(epochs=0)
