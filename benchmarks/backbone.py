"""VGG16's faces a second, as a share of what the computer can do. Prints one JSON line.

    python benchmarks/backbone.py [--faces 2048]

The computer's peak is measured as the best of a few large float32 matrix products in the backend itself. VGG16 at
48 × 48 is 2 × 0.69 billion multiply-adds a face, counted from its layers.
"""

import argparse
import json
import time

import numpy as np

from helpers.video import backbone


def flops(model):
    """Multiplications and additions of one face."""
    total = 0
    for layer in model.layers:
        if layer.weights:
            height, width = layer.output.shape[1:3]
            total += 2 * height * width * int(np.prod(layer.kernel.shape))
    return total


def peak(side=2048, repeat=8):
    """Best matrix product's operations a second."""
    import keras

    a = keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=(side, side)).astype("float32"))
    best = np.inf
    for _ in range(repeat):
        start = time.perf_counter()
        np.asarray(keras.ops.matmul(a, a))
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=2048)
    options = parser.parse_args()
    import keras

    faces = np.random.default_rng(0).integers(0, 256, (options.faces, 48, 48, 3), dtype=np.uint8)
    backbone.embed(faces[:512], "random")  # built and traced
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        backbone.embed(faces, "random")
        seconds.append(time.perf_counter() - start)
    rate, work, best = options.faces / min(seconds), flops(backbone.vgg16("random")), peak()
    result = {
        "backend": keras.config.backend(),
        "images_per_s": round(rate, 1),
        "gflop_per_image": round(work / 1e9, 3),
    }
    print(
        json.dumps(
            result | {"gflops": round(rate * work / 1e9, 1), "share_of_matmul_peak": round(rate * work / best, 3)}
        )
    )


if __name__ == "__main__":
    main()
