"""VGG16 fine-tuned on labelled images of faces: its upper blocks are trained, then frozen again for clips (thesis 4.4).

The lower blocks keep ImageNet's weights, so their output is computed once for every view of an image, and an epoch only
trains what is above.
"""

import dataclasses
import pathlib
import time

import numpy as np

from helpers import runtime
from helpers.video import backbone

FIRST_TRAINED = "block4_conv1"
LAST_KEPT = "block3_pool"


@dataclasses.dataclass(frozen=True)
class FineTuneConfig:
    """How the upper blocks are trained. The thesis leaves all of it open."""

    epochs: int = 10  # fixed: no epoch is chosen on the test images
    batch_size: int = 64
    learning_rate: float = 1e-4  # the highest; cosine decay to 0
    weight_decay: float = 0.05  # AdamW's
    dropout: float = 0.5  # before the softmax
    label_smoothing: float = 0.1
    views: int = 4  # of an image: as it is, mirrored, and moved and scaled at random
    seed: int = 0

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 2 or self.views < 1:
            raise ValueError(f"epochs {self.epochs}, batch_size {self.batch_size}, views {self.views}: too few")


def view(images, number, seed=0):
    """One view of images, uint8 (n, size, size, 3): 0 as they are, 1 mirrored, from 2 on each changed at random.

    A random change moves by up to 8 %, turns by up to 10°, scales by up to 10 %, and mirrors every other image.
    """
    import cv2

    if number < 2:
        return images[:, :, ::-1] if number else images
    rng, size = np.random.default_rng([seed, number]), images.shape[1]
    views = np.empty_like(images)
    for n, image in enumerate(images):
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), rng.uniform(-10, 10), rng.uniform(0.9, 1.1))
        turn[:, 2] += rng.uniform(-0.08, 0.08, 2) * size
        moved = cv2.warpAffine(image, turn, (size, size), borderMode=cv2.BORDER_REPLICATE)
        views[n] = moved[:, ::-1] if rng.integers(2) else moved
    return views


def split(base):
    """Cuts a VGG16 of `backbone.base` in two Models: to (n, H, W, 256), and a trainable copy from there to (n, 512)."""
    import keras

    lower = keras.Model(base.input, base.get_layer(LAST_KEPT).output)
    x = inputs = keras.Input(lower.output.shape[1:])
    above = base.layers[base.layers.index(base.get_layer(FIRST_TRAINED)) :]
    for layer in above:
        x = layer.__class__.from_config(layer.get_config() | {"trainable": True})(x)
    upper = keras.Model(inputs, x)
    upper.set_weights([weight for layer in above for weight in layer.get_weights()])
    return lower, upper


def _apply(lower, images, progress=True):
    """The lower blocks' output: float16 (n, H, W, 256)."""
    import keras

    parts = []
    for at in runtime.bar(range(0, len(images), 512), "lower blocks", "image", progress, unit_scale=512):
        inputs = keras.applications.vgg16.preprocess_input(np.array(images[at : at + 512], dtype=np.float32))
        parts.append(lower.predict(inputs, batch_size=64, verbose=0).astype(np.float16))
    return np.concatenate(parts)


def fine_tune(images, out, weights=None, config=None, progress=True):
    """Trains VGG16's blocks 4 and 5 on labelled images of faces as a FineTuneConfig says, and writes all its weights.

    Args:
        images: ImageSet, of which the split "train" is trained on.
        out: file to write, `….weights.h5`; `backbone.find_weights` takes it, so that EMOTION_VGG16_WEIGHTS may name it.
        weights: where to start, as in `backbone.find_weights`.
    Returns:
        (model, history): keras.Model from the lower blocks' output to probabilities over `images.classes`, and a list
        of dicts, one an epoch: epoch, loss, accuracy, seconds.
    Raises ValueError: no image to train on, or `out` ends otherwise.
    """
    import keras

    config, out = config or FineTuneConfig(), pathlib.Path(out)
    rows = np.flatnonzero(images.split == "train")
    if not len(rows) or not out.name.endswith(".weights.h5"):
        raise ValueError(f"{len(rows)} images to train on, to be written to {out.name}: it must end in .weights.h5")
    source, _ = backbone.find_weights(weights)
    size = images.images.shape[1]
    base = backbone.vgg16(source, size)
    lower, upper = split(base)
    features = np.empty((config.views, len(rows), *lower.output.shape[1:]), dtype=np.float16)
    for number in range(config.views):
        features[number] = _apply(lower, view(images.images[rows], number, config.seed), progress)
    keras.utils.set_random_seed(config.seed)
    # VGG16's outputs reach 160: without normalisation the first updates would undo the pretraining.
    x = keras.layers.BatchNormalization()(upper.output)
    x = keras.layers.Dropout(config.dropout)(x)
    head = {"kernel_initializer": "zeros", "dtype": "float32", "name": "emotion"}
    model = keras.Model(upper.input, keras.layers.Dense(len(images.classes), "softmax", **head)(x))
    history = _train(model, features, images.label[rows], config, progress)
    whole = backbone.base(None, size)
    whole.set_weights([*base.get_weights()[: len(lower.weights)], *upper.get_weights()])
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".part.{out.name}")  # Keras writes to paths only, and by their ending
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
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"])
    targets, history = np.eye(model.output.shape[-1], dtype=np.float32)[label], []
    bar = tqdm(range(1, config.epochs + 1), desc="fine-tuning", unit="epoch", disable=not progress)
    for epoch in bar:
        start, order, views = time.perf_counter(), rng.permutation(n), rng.integers(config.views, size=n)
        model.reset_metrics()
        for step in range(steps):
            batch = order[step * size : (step + 1) * size]
            inputs = features[views[batch], batch].astype(np.float32)
            metrics = model.train_on_batch(inputs, targets[batch], return_dict=True)
        metrics = {name: float(value) for name, value in metrics.items()}
        history.append({"epoch": epoch, **metrics, "seconds": time.perf_counter() - start})
        bar.set_postfix(loss=f"{metrics['loss']:.3f}", accuracy=f"{metrics['accuracy']:.2f}")
    return history


def predict(model, base, images):
    """Probabilities of images, uint8 (n, size, size, 3), the mean over each and its mirror image: float32 (n, C).

    `model` is of `fine_tune`, and `base` a VGG16 with the lower blocks of its training.
    """
    lower, _ = split(base)
    features = [_apply(lower, view(images, number)).astype(np.float32) for number in (0, 1)]
    return np.mean([model.predict(each, batch_size=256, verbose=0) for each in features], axis=0)
