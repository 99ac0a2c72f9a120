"""What does the thesis' audio subsystem reach on the real recordings? Prints one JSON line, the summary so far.

python benchmarks/audio_real.py RAVDESS_FOLDER [--protocol luna2022] [--folds 10] [--max-folds 2] [--epochs 60]
                                [--workers 2]

Resumable: the same command goes on with the next fold. On a CPU, KERAS_BACKEND=jax is the faster backend.
"""

import argparse
import json

from helpers import features, ravdess, runtime, training
from helpers.config import TrainConfig


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--protocol", default="random", choices=("random", "actor", "luna2022"))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--max-folds", type=int)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--workers", type=int, default=1, help="folds side by side")
    parser.add_argument("--out")
    options = parser.parse_args()
    feature_set = features.build(ravdess.index(options.root), runtime.workspace() / "cache", streams=("audio",))
    result = training.cross_validate(
        feature_set,
        "audio",
        options.protocol,
        options.folds,
        options.max_folds,
        options.out or runtime.workspace() / "runs" / "audio_real" / options.protocol,
        TrainConfig(epochs=options.epochs),
        workers=options.workers,
    )
    print(json.dumps(result.summary()))


if __name__ == "__main__":
    main()
