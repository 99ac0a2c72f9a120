"""Trains a small network that reads the expression of a face, on FER2013. Prints one JSON line.

    python benchmarks/pretrain_face.py FER2013 OUT.npz [--epochs 40] [--seed 0] [--clips FACES.npz] [--result FILE.json]

FER2013 is its csv or a folder of its images. A tenth of its Training images, near-duplicates kept together, is left out
and watched; PublicTest is looked at once, at the end. FACES.npz holds takes that are never trained on: `faces` uint8
(takes, frames, 48, 48, 3), black where there is none, and `clip_id`, their RAVDESS names. Run again after a stop, it
goes on, and its minutes are those since. TensorFlow is the fastest backend for it on a CPU.
"""

import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import pathlib
import sys
import time

import cv2
import numpy as np
from sklearn.metrics import recall_score

from helpers import runtime
from helpers.data import images, ravdess

CLASSES = tuple(emotion for emotion in ravdess.EMOTIONS if emotion != "calm")  # FER2013 has no calm
EPSILON = 1e-3  # of the batch normalisation: Keras' default


@dataclasses.dataclass(frozen=True)
class Config:
    """The network and its training.

    The learning rate rises over the first epoch, stays, and falls linearly to 0 over the last `cooldown` of the epochs.
    """

    widths: tuple = (32, 64, 128, 256)  # filters of each stage; each halves the image
    blocks: tuple = (1, 1, 2, 1)  # residual blocks of each stage
    dropout: float = 0.3  # before the softmax
    crop: int = 40  # side in px of what is trained on: cheaper, and the face is shifted more
    epochs: int = 40
    full_size: float = 0.15  # the last share of the epochs, trained on all 48 px
    cooldown: float = 0.5
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05  # AdamW's, of kernels only
    smoothing: float = 0.1  # of the labels
    precision: str = "mixed_bfloat16"  # Keras' policy in training
    average: float = 0.998  # momentum of the weights' moving average, which is what is kept
    seed: int = 0


def network(config=None):
    """Builds the network: standardised images (n, side, side, 1) to probabilities over CLASSES."""
    import keras

    config, layers = config or Config(), keras.layers

    def convolution(x, width, kernel, name, stride=1):
        x = layers.Conv2D(width, kernel, stride, padding="same", use_bias=False, name=name)(x)
        return layers.BatchNormalization(momentum=0.98, epsilon=EPSILON, name=f"{name}_bn")(x)

    def residual(x, width, stride, name):
        shortcut = layers.AveragePooling2D(stride, padding="same")(x) if stride > 1 else x
        if stride > 1 or x.shape[-1] != width:
            shortcut = convolution(shortcut, width, 1, f"{name}_shortcut")
        x = layers.ReLU()(convolution(x, width, 3, f"{name}_a", stride))
        x = convolution(x, width, 3, f"{name}_b")
        return layers.ReLU()(layers.Add()([x, shortcut]))

    inputs = keras.Input((None, None, 1), name="face")
    x = layers.ReLU()(convolution(inputs, config.widths[0], 3, "stem"))
    for stage, (width, blocks) in enumerate(zip(config.widths, config.blocks), start=1):
        for block in range(1, blocks + 1):
            x = residual(x, width, 2 if block == 1 else 1, f"stage{stage}_block{block}")
    x = layers.Dropout(config.dropout)(layers.GlobalAveragePooling2D(name="embedding")(x))
    x = layers.Dense(len(CLASSES), "softmax", dtype="float32", name="emotion")(x)
    return keras.Model(inputs, x, name="expression")


def standardise(faces):
    """Gives each image mean 0 and standard deviation 1: uint8 (n, side, side[, 3]) to float32 (n, side, side, 1)."""
    x = np.asarray(faces, dtype=np.float32)
    x = (x @ np.float32([0.299, 0.587, 0.114]) if x.ndim == 4 else x)[..., None]
    x -= x.mean(axis=(1, 2, 3), keepdims=True)
    return x / (x.std(axis=(1, 2, 3), keepdims=True) + 4)  # 4 of 255: a black frame stays finite


def augment(gray, rng, side):
    """Changes faces as clips change them: pose, framing, light, focus, compression, something before the face.

    Each is mirrored every other time, turned by up to 12°, scaled by 0.8 to 1.2, moved by up to 4 px, and made
    brighter or darker with more or less contrast. A fifth to a quarter each are blurred, compressed, noisy, or have a
    rectangle erased.

    Args:
        gray: uint8 (n, size, size).
        rng: numpy.random.Generator.
        side: of the result in px; below `size` it cuts out the middle.
    Returns: uint8 (n, side, side).
    """
    n, size = gray.shape[:2]
    augmented = np.empty((n, side, side), dtype=np.uint8)
    angle, scale = rng.uniform(-12, 12, n), np.exp(rng.uniform(np.log(0.8), np.log(1.2), n))
    shift, mirrored = rng.uniform(-4, 4, (n, 2)), rng.integers(2, size=n)
    blurred, compressed, noisy, erased = rng.random((4, n)) < [[0.2], [0.2], [0.2], [0.25]]
    for k in range(n):
        turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), angle[k], scale[k])
        turn[:, 2] += shift[k] - (size - side) / 2
        image = gray[k, :, ::-1] if mirrored[k] else gray[k]
        image = cv2.warpAffine(np.ascontiguousarray(image), turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
        if blurred[k]:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3))
        if compressed[k]:
            _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 60))])
            image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        if erased[k]:
            height, width = rng.integers(side // 8, side // 3, 2)
            top, left = rng.integers(side - height), rng.integers(side - width)
            image[top : top + height, left : left + width] = rng.integers(256)
        augmented[k] = image
    light = augmented * rng.uniform(0.7, 1.3, (n, 1, 1)).astype(np.float32)
    light += rng.uniform(-25, 25, (n, 1, 1))
    light[noisy] += rng.normal(0, rng.uniform(1, 10, (noisy.sum(), 1, 1)), (noisy.sum(), side, side))
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def train(gray, label, out, config, valid, log):
    """Trains the network, and writes its weights. Stopped, it goes on at the epoch it was in.

    Args:
        gray: uint8 (n, 48, 48).
        label: int (n,), places in CLASSES.
        out: file to write, `….npz`; beside it lies `….resume.npz` until the training ends.
        config: Config.
        valid: (gray, label) of images left out, looked at after each fifth epoch; they choose nothing.
        log: is given a dict an epoch.
    Returns: keras.Model with the averaged weights, as `load` reads them.
    """
    import keras

    keras.utils.set_random_seed(config.seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision)
    try:
        model = network(config)
    finally:
        keras.config.set_dtype_policy(policy)
    optimizer = prepare(model, config)
    state, resume = [*model.variables, *optimizer.variables], out.with_suffix(".resume.npz")
    steps, targets = max(1, len(label) // config.batch_size), np.eye(len(CLASSES), dtype=np.float32)[label]
    for epoch in range(restore(resume, state), config.epochs):
        start, rng = time.perf_counter(), np.random.default_rng([config.seed, epoch])
        side = gray.shape[1] if epoch >= config.epochs * (1 - config.full_size) else config.crop
        model.reset_metrics()
        for step, (inputs, rows) in enumerate(batches(gray, config.batch_size, steps, side, rng)):
            optimizer.learning_rate = config.learning_rate * rate(epoch + step / steps, config)
            metrics = model.train_on_batch(inputs, targets[rows], return_dict=True)
        row = {"epoch": epoch + 1, **{name: round(float(value), 4) for name, value in metrics.items()}}
        if (epoch + 1) % 5 == 0:
            row["valid_accuracy"] = scores(valid[1], predict(model, valid[0]))["accuracy"]
        log(row | {"side": side, "seconds": round(time.perf_counter() - start, 1)})
        checkpoint(resume, epoch + 1, state)
    optimizer.finalize_variable_values(model.trainable_variables)
    save(model, out)
    resume.unlink(missing_ok=True)
    return load(out, config)


def prepare(model, config):
    """Compiles a model with AdamW, a moving average of the weights and label smoothing; returns the optimizer."""
    import keras

    optimizer = keras.optimizers.AdamW(
        config.learning_rate, config.weight_decay, use_ema=True, ema_momentum=config.average
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    # XLA's convolutions are several times slower than TensorFlow's own on a CPU.
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)
    optimizer.build(model.trainable_variables)
    return optimizer


def rate(epoch, config):
    """The learning rate's share of its highest after so many epochs."""
    return min(1.0, epoch + 0.02, (config.epochs - epoch) / (config.epochs * config.cooldown))


def batches(gray, size, steps, side, rng):
    """Yields an epoch's (inputs, rows), augmented in a thread beside the training."""
    rows = np.split(rng.permutation(len(gray))[: steps * size], range(size, steps * size, size))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for faces, batch in zip(pool.map(lambda batch: augment(gray[batch], rng, side), rows), rows):
            yield standardise(faces), batch


def checkpoint(path, epoch, state):
    """Writes a training's variables after so many epochs."""
    with runtime.replacing(path) as file:
        np.savez(file, *map(np.asarray, state), epoch=epoch)


def restore(path, state):
    """Sets a training's variables as `checkpoint` wrote them, and returns its epochs: 0 where there is no file."""
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as file:
        arrays = [file[f"arr_{k}"] for k in range(len(file.files) - 1)]
        if [a.shape for a in arrays] != [tuple(v.shape) for v in state]:
            raise ValueError(f"{path} is the checkpoint of another network: delete it to begin anew")
        for variable, array in zip(state, arrays):
            variable.assign(array)
        return int(file["epoch"])


def save(model, path):
    """Writes a network's weights in half precision, one array a weight, to `….npz`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with runtime.replacing(path) as file:
        np.savez_compressed(file, **{v.path: np.asarray(v).astype(np.float16) for v in model.weights})


def load(path, config=None):
    """Reads weights that `save` wrote: keras.Model of `network`. Raises ValueError: they are another network's."""
    model = network(config)
    with np.load(path, allow_pickle=False) as file:
        if {name: file[name].shape for name in file.files} != {v.path: tuple(v.shape) for v in model.weights}:
            raise ValueError(f"{path} holds the weights of another network ({len(file.files)} arrays)")
        model.set_weights([file[v.path].astype(np.float32) for v in model.weights])
    return model


def folded(path):
    """Folds the batch normalisation of weights that `save` wrote into the convolutions before it.

    Returns:
        {name: float16 array} in the network's order: "stem/kernel" (height, width, in, out) and "stem/bias" (out,),
        then those of "stage1_block1_a", "stage1_block1_b", "stage1_block1_shortcut" where there is one, and so on, and
        "emotion/kernel" (in, 7) and "emotion/bias".
    """
    with np.load(path, allow_pickle=False) as file:
        weights = {name: file[name].astype(np.float64) for name in file.files}
    names = sorted(name.removesuffix("/kernel") for name in weights if name.endswith("/kernel"))
    arrays = {}
    for name in ["stem", *(name for name in names if name.startswith("stage")), "emotion"]:
        kernel, bias = weights[f"{name}/kernel"], weights.get(f"{name}/bias")
        if bias is None:
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            gamma, beta, mean, variance = (weights[f"{name}_bn/{part}"] for part in parts)
            scale = gamma / np.sqrt(variance + EPSILON)
            kernel, bias = kernel * scale, beta - mean * scale
        arrays |= {f"{name}/kernel": kernel.astype(np.float16), f"{name}/bias": bias.astype(np.float16)}
    return arrays


def predict(model, faces):
    """Probabilities of faces, the mean over each and its mirror image: float32 (n, 7), in the order of CLASSES."""
    x = standardise(faces)
    return np.mean([model.predict(each, batch_size=256, verbose=0) for each in (x, x[:, :, ::-1])], axis=0)


def faces_and_labels(path):
    """FER2013's gray images, their places in CLASSES, and which rows are Training and PublicTest."""
    data = images.fer2013(path)
    place = np.array([CLASSES.index(emotion) if emotion in CLASSES else -1 for emotion in data.classes])
    rows = [np.flatnonzero(data.split == name) for name in ("train", "public")]
    return np.ascontiguousarray(data.images[..., 0]), place[data.label], *rows


def near_duplicates(gray, limit=0.97):
    """Numbers the groups of images that are nearly the same, mirrored or not: int (n,)."""
    small = np.stack([cv2.resize(image, (12, 12), interpolation=cv2.INTER_AREA) for image in gray])
    flat = standardise(small)[..., 0]
    plain, mirrored = (
        x.reshape(len(gray), -1) / np.linalg.norm(x, axis=(1, 2))[:, None].clip(1e-6) for x in (flat, flat[:, :, ::-1])
    )
    group = np.arange(len(gray))

    def head(k):
        while group[k] != k:
            k = group[k]
        return k

    for at in range(0, len(gray), 1024):
        block = plain[at : at + 1024]
        for a, b in np.argwhere(np.maximum(block @ plain[at:].T, block @ mirrored[at:].T) > limit):
            if a < b:
                group[head(b + at)] = head(a + at)
    return np.array([head(k) for k in range(len(gray))])


def held_out(gray, share=0.1):
    """Draws the images that are left out, whole groups of near-duplicates at a time: bool (n,), number of groups."""
    group = near_duplicates(gray)
    order = np.random.default_rng(0).permutation(np.unique(group))
    sizes = np.bincount(group)[order]
    return np.isin(group, order[: np.searchsorted(sizes.cumsum(), share * len(gray))]), len(order)


def scores(label, probabilities):
    predicted = probabilities.argmax(axis=1)
    uar = recall_score(label, predicted, average="macro")
    return {"accuracy": round(float((label == predicted).mean()), 4), "uar": round(float(uar), 4), "n": len(label)}


def take_scores(model, path):
    """Scores of takes, each the mean over its frames; calm counts as neutral."""
    with np.load(path, allow_pickle=False) as file:
        faces, names = file["faces"], file["clip_id"]
    emotions = [ravdess.parse(str(name)).emotion for name in names]
    label = np.array([CLASSES.index("neutral" if emotion == "calm" else emotion) for emotion in emotions])
    shown = [take[take.any(axis=(1, 2, 3))] for take in faces]
    probabilities = np.stack([predict(model, take).mean(axis=0) for take in shown])
    counts = np.bincount(probabilities.argmax(axis=1), minlength=len(CLASSES)).tolist()
    return scores(label, probabilities) | {"predicted": dict(zip(CLASSES, counts))}


def say(row):
    print(json.dumps(row), file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fer2013")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=Config.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="so many training images, for a try")
    parser.add_argument("--clips", type=pathlib.Path)
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    import keras

    cv2.setNumThreads(1)
    gray, label, train_rows, test = faces_and_labels(chosen.fer2013)
    left_out, groups = held_out(gray[train_rows])
    inner, valid = train_rows[~left_out][: chosen.limit], train_rows[left_out]
    config = Config(epochs=chosen.epochs, seed=chosen.seed)
    about = {"trained_on": len(inner), "left_out": len(valid), "groups": groups}
    say(about)
    start = time.perf_counter()
    model = train(gray[inner], label[inner], chosen.out, config, (gray[valid], label[valid]), say)
    minutes = (time.perf_counter() - start) / 60
    group, answers = near_duplicates(gray[[*inner, *test]]), predict(model, gray[test])
    new = ~np.isin(group[len(inner) :], group[: len(inner)])
    clips = " --clips FACES.npz" if chosen.clips else ""
    result = {
        "benchmark": "pretrain_face",
        **about,
        "parameters": model.count_params(),
        "left_out_scores": scores(label[valid], predict(model, gray[valid])),
        "public_test": scores(label[test], answers),
        "public_test_without_near_duplicates": scores(label[test][new], answers[new]),
        "takes": take_scores(model, chosen.clips) if chosen.clips else None,
        "config": vars(config),
        "data_sha256": hashlib.sha256(gray.tobytes() + label.tobytes()).hexdigest(),
        "weights_sha256": hashlib.sha256(chosen.out.read_bytes()).hexdigest(),
        "minutes": round(minutes, 1),
        "backend": keras.backend.backend(),
        "cores": runtime.workers(),
        "command": f"python benchmarks/pretrain_face.py FER2013 OUT.npz{clips} --epochs {config.epochs} "
        f"--seed {config.seed}",
    }
    print(json.dumps(result))
    if chosen.result:
        chosen.result.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
