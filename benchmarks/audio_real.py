"""What does the thesis' audio subsystem reach on the real recordings? Prints one JSON line, the summary so far.

    python benchmarks/audio_real.py RAVDESS_FOLDER [--protocol luna2022] [--folds 10] [--max-folds 2] [--workers 2]
                                    [--epochs 60] [--action-units ACTION_UNITS.csv] [--result docs/results]

Resumable: the same command goes on with the next fold. On a CPU, KERAS_BACKEND=jax is the faster backend. What the
thesis leaves open, such as epochs and learning rate, has this suite's defaults. With `--action-units` it is the thesis'
fusion of that subsystem and of a fully connected layer over each clip's mean action units, trained end-to-end.
"""

import argparse
import pathlib
import sys

from tables import keep

from helpers import config, runtime
from helpers.beyond import action_units
from helpers.config import SubsystemConfig, TrainConfig
from helpers.data import ravdess
from helpers.features import building
from helpers.training import cross_validation

FACE = SubsystemConfig.video(cell="none")  # the action units are one step, whose attention weight is 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--action-units", help="table of each clip's mean action units: train the fusion with them")
    options = arguments(parser)
    features, model = recordings(options.root), "audio"
    if options.action_units:
        table = ravdess.index(options.root).set_index("clip_id").loc[features.clip_id].reset_index()
        features, model = action_units.as_video(features, action_units.read(options.action_units, table)), "fusion"
    name = f"{model}-plain-{options.protocol}"
    result = cross_validation.cross_validate(
        features,
        model,
        options.protocol,
        options.folds,
        options.max_folds,
        options.out or runtime.workspace() / "runs" / "audio_real" / name,
        training(options),
        video=FACE,
        workers=options.workers,
    )
    about = {"config": config.read(result.out / "config.json"), "command": command()}
    keep(options.result and pathlib.Path(options.result), name, result, **about)


def arguments(parser):
    """The options this benchmark and table_4_3.py share."""
    parser.add_argument("root")
    parser.add_argument("--protocol", default="random", choices=("random", "actor", "luna2022", "emobox"))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--max-folds", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--workers", type=int, default=1, help="folds side by side")
    parser.add_argument("--out")
    parser.add_argument("--result", help="folder of the results to keep")
    return parser.parse_args()


def training(options):
    """TrainConfig of the options."""
    return TrainConfig(**{"epochs": options.epochs} if options.epochs else {})


def recordings(root):
    """Features of the 1440 spoken recordings: FeatureSet."""
    return building.build(ravdess.index(root), runtime.workspace() / "cache", streams=("audio",))


def command():
    """What was called; the data's own folder is left out of it."""
    called = {1: "ROOT", **{n: "ACTION_UNITS.csv" for n, word in enumerate(sys.argv) if word.endswith(".csv")}}
    words = [called.get(n, word) for n, word in enumerate(sys.argv) if n]
    script = pathlib.Path(sys.argv[0]).name
    return f"KERAS_BACKEND={runtime.choose_backend()} python benchmarks/{script} " + " ".join(words)


if __name__ == "__main__":
    main()
