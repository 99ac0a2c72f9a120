"""What does a small audio network reach on real people, in two minutes? Prints one JSON line a protocol.

    KERAS_BACKEND=jax python benchmarks/demo_real.py [--out runs/demo-real]

The features are those that the suite carries, or RAVDESS' own where its clips are. One GRU layer of 64 units and 20
epochs instead of the thesis' three of 256 and 60: notebook 03 trains those. Chosen for the time they take.
"""

import argparse
import json
import pathlib

from helpers import data, features, runtime, training
from helpers.config import SubsystemConfig, TrainConfig


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=runtime.workspace() / "runs" / "demo-real", type=pathlib.Path)
    out = parser.parse_args().out
    table = data.load("auto", streams=("audio",))
    built = features.build(table, runtime.workspace() / "cache", streams=("audio",))
    options = {"n_folds": 5, "train": TrainConfig(epochs=20, learning_rate=3e-3), "workers": runtime.workers()}
    for protocol, name in (("random", "audio"), ("actor", "audio-actor")):
        small = SubsystemConfig.audio(layers=1, units=64)
        result = training.cross_validate(built, "audio", protocol, out=out / name, audio=small, **options)
        print(json.dumps(result.summary()))


if __name__ == "__main__":
    main()
