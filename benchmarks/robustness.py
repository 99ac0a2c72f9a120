"""What does a fusion lose when a stream is missing, noisy or dark? Prints one JSON line a fusion.

    python benchmarks/robustness.py [--dataset synthetic] [--root FOLDER] [--protocol actor] [--folds 3] [--epochs 8]

Each kind of fusion, with and without the dropout of whole streams in training, with the notebooks' quick-look
settings; the accuracies are those of its own test clips, damaged.
"""

import argparse
import itertools
import json

from helpers import config, runtime
from helpers.beyond import robustness
from helpers.data import datasets
from helpers.features import building
from helpers.training import cross_validation


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--root", default="")
    parser.add_argument("--protocol", default="actor")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--units", type=int, default=64)
    chosen = parser.parse_args()
    clips = datasets.load(chosen.dataset, chosen.root)
    feature_set = building.build(clips, runtime.workspace() / "cache")
    damages = robustness.corrupted(feature_set, clips, config.AudioConfig())
    for kind, dropout in itertools.product(("concatenate", "gated", "cross"), (0.0, 0.5)):
        out = runtime.workspace() / "runs" / "robustness" / f"{kind}-{dropout}"
        cross_validation.cross_validate(
            feature_set,
            "fusion",
            chosen.protocol,
            chosen.folds,
            out=out,
            train=config.TrainConfig(epochs=chosen.epochs, batch_size=16, learning_rate=0.003),
            video=config.SubsystemConfig.video(units=chosen.units),
            audio=config.SubsystemConfig.audio(units=chosen.units),
            fusion=config.FusionConfig(kind=kind, modality_dropout=dropout),
        )
        table = robustness.table(out, feature_set, damages)
        found = {row.damage: round(row.accuracy, 2) for row in table.itertuples()}
        print(json.dumps({"kind": kind, "modality_dropout": dropout, **found}), flush=True)


if __name__ == "__main__":
    main()
