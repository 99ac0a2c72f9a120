"""Fine-tunes VGG16's blocks 4 and 5 on all of FER2013. Prints one JSON line.

    python benchmarks/fine_tune_vgg16.py FER2013 VGG16.h5 OUT.weights.h5 --cache FOLDER [--epochs 6] [--result JSON]

As fer2013.py, for four times its images on a few cores: the output of blocks 1 to 3 for each image and its mirror image
lies in half precision in the cache (1.2 GB), the blocks above are trained in bfloat16 with mixup, and both parts go on
where they were stopped. The same tenth of the Training images as in pretrain_face.py is left out and watched, and
PublicTest is looked at once, at the end. EMOTION_VGG16_WEIGHTS may name OUT afterwards.
"""

import argparse
import dataclasses
import hashlib
import json
import pathlib
import time

import cv2
import numpy as np
from pretrain_face import CLASSES, checkpoint, faces_and_labels, held_out, prepare, restore, say, scores

from helpers import runtime
from helpers.video import backbone, fine_tuning


@dataclasses.dataclass(frozen=True)
class Config:
    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 2e-4  # the highest, after a third of an epoch; then cosine decay to 0
    weight_decay: float = 0.05
    dropout: float = 0.5
    smoothing: float = 0.1
    mixup: float = 0.2
    average: float = 0.998  # momentum of the weights' moving average
    seed: int = 0


def lower_features(lower, gray, path):
    """Applies blocks 1 to 3 to the images and their mirror images: float16 (2, n, 6, 6, 256), kept in a file."""
    shape, done = (2, len(gray), *lower.output.shape[1:]), path.with_suffix(".rows")
    first = int(done.read_text()) if done.exists() else 0
    features = np.lib.format.open_memmap(path, "r+" if first else "w+", np.float16, None if first else shape)
    if features.shape != shape:
        raise SystemExit(f"{path} is of other images ({features.shape}, not {shape}): delete it and {done.name}")
    for at in range(first, len(gray), 1024):
        end = min(at + 1024, len(gray))
        rgb = np.repeat(gray[at:end, ..., None], 3, axis=3)
        for mirrored in (0, 1):
            features[mirrored, at:end] = fine_tuning._apply(lower, fine_tuning.view(rgb, mirrored))
        features.flush()
        done.write_text(str(end))
        say({"lower_features": end, "of": len(gray)})
    return features


def network(upper, dropout, dtype):
    """The blocks above and a softmax, copies that compute in `dtype`: features to probabilities."""
    import keras

    x = inputs = keras.Input(upper.input.shape[1:])
    for layer in upper.layers[1:]:
        x = layer.__class__.from_config(layer.get_config() | {"dtype": dtype})(x)
    # VGG16's outputs reach 160: without normalisation the first updates would undo the pretraining.
    x = keras.layers.BatchNormalization(momentum=0.98, dtype=dtype)(x)
    x = keras.layers.Dropout(dropout, dtype=dtype)(x)
    x = keras.layers.Dense(len(CLASSES), "softmax", kernel_initializer="zeros", dtype="float32", name="emotion")(x)
    model = keras.Model(inputs, x)
    model.set_weights([*upper.get_weights(), *model.get_weights()[len(upper.weights) :]])
    return model


def train(model, features, rows, label, config, resume, valid):
    """Trains on `rows` of the features; stopped, it goes on at the epoch it was in."""
    optimizer = prepare(model, config)
    state, steps = [*model.variables, *optimizer.variables], max(1, len(rows) // config.batch_size)
    targets = np.eye(len(CLASSES), dtype=np.float32)[label]
    for epoch in range(restore(resume, state), config.epochs):
        start, rng = time.perf_counter(), np.random.default_rng([config.seed, epoch])
        order = rng.permutation(rows)
        model.reset_metrics()
        for step in range(steps):
            past = epoch + step / steps
            decay = np.cos(past / config.epochs * np.pi / 2) ** 2
            optimizer.learning_rate = config.learning_rate * min(1, 3 * past + 0.01) * decay
            batch = np.sort(order[step * config.batch_size : (step + 1) * config.batch_size])
            inputs = features[:, batch][rng.integers(2, size=len(batch)), np.arange(len(batch))].astype(np.float32)
            partner, share = rng.permutation(len(batch)), np.float32(rng.beta(config.mixup, config.mixup))
            inputs = share * inputs + (1 - share) * inputs[partner]
            mixed = share * targets[batch] + (1 - share) * targets[batch][partner]
            loss = model.train_on_batch(inputs, mixed, return_dict=True)["loss"]
        checkpoint(resume, epoch + 1, state)
        row = {"epoch": epoch + 1, "loss": round(float(loss), 4), "seconds": round(time.perf_counter() - start)}
        say(row | {"valid_accuracy": scores(label[valid], predict(model, features, valid))["accuracy"]})
    optimizer.finalize_variable_values(model.trainable_variables)


def predict(model, features, rows):
    """Probabilities of `rows`, the mean over each image and its mirror image."""
    both = [model.predict(each[rows].astype(np.float32), batch_size=256, verbose=0) for each in features]
    return np.mean(both, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fer2013")
    parser.add_argument("vgg16")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=Config.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    import keras

    cv2.setNumThreads(1)
    chosen.cache.mkdir(parents=True, exist_ok=True)
    gray, label, train_rows, test = faces_and_labels(chosen.fer2013)
    left_out, _ = held_out(gray[train_rows])
    inner, valid = train_rows[~left_out], train_rows[left_out]
    source, identity = backbone.find_weights(chosen.vgg16)
    base = backbone.vgg16(source, gray.shape[1])
    lower, upper = fine_tuning.split(base)
    start, config = time.perf_counter(), Config(epochs=chosen.epochs, seed=chosen.seed)
    features = lower_features(lower, gray, chosen.cache / "lower.npy")
    keras.utils.set_random_seed(config.seed)
    model = network(upper, config.dropout, "mixed_bfloat16")
    train(model, features, inner, label, config, chosen.cache / "resume.npz", valid)
    exact = network(upper, config.dropout, "float32")
    exact.set_weights(model.get_weights())
    whole = backbone.base(None, gray.shape[1])
    whole.set_weights([*base.get_weights()[: len(lower.weights)], *exact.get_weights()[: len(upper.weights)]])
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    whole.save_weights(chosen.out)
    result = {
        "benchmark": "fine_tune_vgg16",
        "trained_on": len(inner),
        "vgg16": identity,
        "left_out_scores": scores(label[valid], predict(exact, features, valid)),
        "public_test": scores(label[test], predict(exact, features, test)),
        "config": vars(config),
        "data_sha256": hashlib.sha256(gray.tobytes() + label.tobytes()).hexdigest(),
        "weights_sha256": hashlib.sha256(chosen.out.read_bytes()).hexdigest(),
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "backend": keras.backend.backend(),
        "cores": runtime.workers(),
        "command": "python benchmarks/fine_tune_vgg16.py FER2013 VGG16.h5 OUT.weights.h5 --cache FOLDER "
        f"--epochs {config.epochs} --seed {config.seed}",
    }
    print(json.dumps(result))
    if chosen.result:
        chosen.result.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
