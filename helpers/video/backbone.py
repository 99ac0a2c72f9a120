"""VGG16, frozen: faces to embeddings (thesis 2.1, 3.4.2).

Weights come from, in this order: the path given; EMOTION_VGG16_WEIGHTS; the file that data_manifest.csv names, fetched
once into Keras' folder. Where none can be had, that is an error; seeded random weights stand in for synthetic clips
alone, or where asked for by name: fine for trying the suite out, useless for real faces.
"""

import functools
import hashlib
import os
import pathlib
import sys

import numpy as np

from helpers import runtime
from helpers.data import manifest
from helpers.data.download import DownloadError

WEIGHTS_VARIABLE = "EMOTION_VGG16_WEIGHTS"
DIM = 512


def find_weights(path=None, stand_in=False):
    """Finds the weights to use.

    Args:
        path: a .h5 file for keras.applications.VGG16(include_top=False), "random", or None for the order above.
        stand_in: whether random weights may stand in, with a warning, where the file cannot be fetched.
    Returns: (source, identity): what to load ("random" or a path), and a short name that differs for different weights.
    Raises FileNotFoundError: there is no file at the path given, or none was given and the file cannot be fetched.
    """
    path = path or os.environ.get(WEIGHTS_VARIABLE)
    if path and path != "random":
        file = pathlib.Path(path).expanduser()
        if not file.is_file():
            raise FileNotFoundError(f"no VGG16 weights at {file}: correct the path or unset {WEIGHTS_VARIABLE}")
        return str(file), _digest(str(file), file.stat().st_size, file.stat().st_mtime_ns)
    if path == "random":
        return "random", "random"
    try:
        return _download(0.1 if stand_in else 1.0), "imagenet"
    except (DownloadError, OSError, ValueError) as error:
        remedy = f"again with a network, or download the file elsewhere and set {WEIGHTS_VARIABLE} to its path"
        why = f"VGG16's ImageNet weights could not be fetched: {error}\nRun the same {remedy}"
        if not stand_in:
            raise FileNotFoundError(f'{why}; "random" in its place tries the suite out without them') from error
    told = f"{why}.\nRANDOM weights stand in: good enough for synthetic clips alone."
    print("!" * 100, told, "!" * 100, sep="\n", file=sys.stderr, flush=True)
    return "random", "random"


@functools.lru_cache
def _digest(file, *_stamp):
    return hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()[:8]


@functools.cache  # of what was found: a failure is not remembered
def _download(pause):
    """The manifest's file in the folder where Keras keeps its own, fetched if need be, and checked: a path."""
    rows = manifest.select(manifest.read(), "vgg16")
    return str(manifest.fetch(rows, runtime.keras_home() / "models", pause=pause)[0])


@functools.lru_cache(maxsize=2)
def vgg16(source, size=48):
    """The frozen convolutional base, preprocessed faces (n, size, size, 3) to (n, 512); source is of `find_weights`."""
    model = base(None if source == "random" else source, size)
    rng = np.random.default_rng(0)
    for layer in model.layers if source == "random" else ():
        if layer.weights:  # He-normal kernels from NumPy; Keras' own start lets 13 ReLU layers fade to nothing
            kernel, bias = layer.get_weights()
            std = np.sqrt(2 / np.prod(kernel.shape[:3]))
            layer.set_weights([rng.normal(0, std, kernel.shape).astype("float32"), np.zeros_like(bias)])
    return model


def base(weights, size=48):
    """As `vgg16`, made anew; with `weights` None its weights are for the caller to set."""
    import keras

    # At 48 × 48 the base gives 1 × 1 × 512, which the pooling only flattens.
    shape = (size, size, 3)
    model = keras.applications.VGG16(include_top=False, weights=weights, input_shape=shape, pooling="avg")
    model.trainable = False
    return model


def embed(frames, source, batch_size=256):
    """Embeds faces, uint8 (n, size, size, 3) RGB, as float32 (n, 512); source is of `find_weights`, or the model."""
    import keras

    if not len(frames):
        return np.zeros((0, DIM), dtype=np.float32)
    model = vgg16(source, frames.shape[1]) if isinstance(source, str) else source
    # preprocess_input changes float arrays in place and takes RGB: the copy is on purpose.
    inputs = keras.applications.vgg16.preprocess_input(np.array(frames, dtype=np.float32))
    return np.asarray(model.predict(inputs, batch_size=batch_size, verbose=0), dtype=np.float32)
