"""VGG16 that knows faces: its upper blocks trained on labelled stills, then frozen again for clips (thesis 4.4).

The lower blocks stay as ImageNet left them, so what they make of a still is computed once for every way in which it
may be shown, and an epoch only trains what is above.
"""

import dataclasses
import pathlib
import time

import numpy as np

from helpers.video import backbone

FIRST_TRAINED = "block4_conv1"
LAST_KEPT = "block3_pool"


@dataclasses.dataclass(frozen=True)
class FineTuneConfig:
    """How the upper blocks are trained. Nothing of it is the thesis'."""

    epochs: int = 10  # fixed: no epoch is chosen on the test's stills
    batch_size: int = 64
    learning_rate: float = 1e-4  # at its highest; it falls to 0 along half a cosine
    weight_decay: float = 0.05  # AdamW's
    dropout: float = 0.5  # before the softmax
    smoothing: float = 0.1  # of the labels
    views: int = 4  # ways in which a still is shown: as it is, mirrored, and moved and scaled at random
    seed: int = 0

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 2 or self.views < 1:
            raise ValueError(f"epochs {self.epochs}, batch_size {self.batch_size}, views {self.views}: too few")


def view(images, number, seed=0):
    """ImageSet in another way.

    Args:
        images: uint8 (n, size, size, 3).
        number: 0 leaves them as they are, 1 mirrors them; from 2 on each is moved by up to 8 %, turned by up to 10°,
            scaled by up to 10 %, and mirrored every other time, all by lot.
        seed: of the lot.

    Returns:
        uint8 (n, size, size, 3).
    """
    import cv2

    if number < 2:
        return images[:, :, ::-1] if number else images
    rng, size = np.random.default_rng([seed, number]), images.shape[1]
    shown = np.empty_like(images)
    for n, image in enumerate(images):
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), rng.uniform(-10, 10), rng.uniform(0.9, 1.1))
        turn[:, 2] += rng.uniform(-0.08, 0.08, 2) * size
        moved = cv2.warpAffine(image, turn, (size, size), borderMode=cv2.BORDER_REPLICATE)
        shown[n] = moved[:, ::-1] if rng.integers(2) else moved
    return shown


def split(base):
    """A VGG16 cut in two.

    Args:
        base: as `backbone.base` gives it.

    Returns:
        (lower, upper): keras.Models; (n, size, size, 3) → (n, H, W, 256), and on from there to (n, 512), whose weights
        are copies and can be trained.
    """
    import keras

    lower = keras.Model(base.input, base.get_layer(LAST_KEPT).output)
    x = inputs = keras.Input(lower.output.shape[1:])
    above = base.layers[base.layers.index(base.get_layer(FIRST_TRAINED)) :]
    for layer in above:
        x = layer.__class__.from_config(layer.get_config() | {"trainable": True})(x)
    upper = keras.Model(inputs, x)
    upper.set_weights([weight for layer in above for weight in layer.get_weights()])
    return lower, upper


def lower_features(lower, images, config):
    """What the lower blocks make of every view: float16 (views, n, H, W, 256)."""
    found = np.empty((config.views, len(images), *lower.output.shape[1:]), dtype=np.float16)
    for number in range(config.views):
        found[number] = _through(lower, view(images, number, config.seed))
    return found


def _through(lower, images):
    import keras

    made = []
    for at in range(0, len(images), 512):
        inputs = keras.applications.vgg16.preprocess_input(np.array(images[at : at + 512], dtype=np.float32))
        made.append(lower.predict(inputs, batch_size=64, verbose=0).astype(np.float16))
    return np.concatenate(made)


def fine_tune(stills, out, weights=None, config=None, progress=True):
    """Trains VGG16's blocks 4 and 5 on stills, and writes all its weights.

    Args:
        stills: ImageSet, of which the split "train" is trained on.
        out: file to write, `….weights.h5`; `backbone.find_weights` takes it, so that EMOTION_VGG16_WEIGHTS may name it.
        weights: where to start, as in `backbone.find_weights`.
        config: FineTuneConfig.
        progress: whether to show a progress bar.

    Returns:
        (model, history): keras.Model from stills' lower features to probabilities over `stills.classes`, and a list of
        dicts, one an epoch: epoch, loss, accuracy, seconds.

    Raises:
        ValueError: no still to train on, or `out` ends otherwise.
    """
    import keras

    config, out = config or FineTuneConfig(), pathlib.Path(out)
    rows = np.flatnonzero(stills.split == "train")
    if not len(rows) or not out.name.endswith(".weights.h5"):
        raise ValueError(f"{len(rows)} stills to train on, to be written to {out.name}: it must end in .weights.h5")
    source, _ = backbone.find_weights(weights)
    size = stills.images.shape[1]
    base = backbone.vgg16(source, size)
    lower, upper = split(base)
    features = lower_features(lower, stills.images[rows], config)
    keras.utils.set_random_seed(config.seed)
    # VGG16's outputs reach 160: without a normalisation the first steps would throw away what it knows.
    x = keras.layers.BatchNormalization()(upper.output)
    x = keras.layers.Dropout(config.dropout)(x)
    x = keras.layers.Dense(len(stills.classes), "softmax", kernel_initializer="zeros", dtype="float32", name="emotion")(
        x
    )
    model = keras.Model(upper.input, x)
    history = _train(model, features, stills.label[rows], config, progress)
    whole = backbone.base(None, size)
    lowest = len(lower.weights)
    whole.set_weights([*base.get_weights()[:lowest], *upper.get_weights()])
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".part.{out.name}")
    whole.save_weights(part)
    part.replace(out)
    return model, history


def _train(model, features, label, config, progress):
    import keras
    from tqdm.auto import tqdm

    rng, n, size = np.random.default_rng(config.seed), len(label), config.batch_size
    steps = max(1, n // size)
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"])
    targets, history = np.eye(model.output.shape[-1], dtype=np.float32)[label], []
    bar = tqdm(range(1, config.epochs + 1), desc="fine-tuning", unit="epoch", disable=not progress)
    for epoch in bar:
        start, order, shown = time.perf_counter(), rng.permutation(n), rng.integers(config.views, size=n)
        model.reset_metrics()
        for step in range(steps):
            batch = order[step * size : (step + 1) * size]
            inputs = features[shown[batch], batch].astype(np.float32)
            found = model.train_on_batch(inputs, targets[batch], return_dict=True)
        numbers = {name: float(value) for name, value in found.items()}
        history.append({"epoch": epoch, **numbers, "seconds": time.perf_counter() - start})
        bar.set_postfix(loss=f"{numbers['loss']:.3f}", accuracy=f"{numbers['accuracy']:.2f}")
    return history


def predict(model, base, images):
    """Probabilities of stills, the mean over each and its mirror image.

    Args:
        model: as `fine_tune` returns it.
        base: VGG16 with the lower blocks of the training.
        images: uint8 (n, size, size, 3).

    Returns:
        float32 (n, C).
    """
    lower, _ = split(base)
    both = [_through(lower, view(images, number)).astype(np.float32) for number in (0, 1)]
    return np.mean([model.predict(features, batch_size=256, verbose=0) for features in both], axis=0)
