"""Corruption robustness: what does a fusion lose with noise, black frames or a missing modality? One JSON line each.

    python benchmarks/robustness.py [--dataset synthetic] [--root FOLDER] [--protocol actor] [--folds 3] [--epochs 8]

Each kind of fusion with and without modality dropout, with the notebooks' quick-look settings; the accuracies are on
corrupted test clips.
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
    corruptions = robustness.corrupted(feature_set, clips, config.AudioConfig())
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
        table = robustness.table(out, feature_set, corruptions)
        accuracies = dict(zip(table.corruption, table.accuracy.round(2)))
        print(json.dumps({"kind": kind, "modality_dropout": dropout, **accuracies}), flush=True)


if __name__ == "__main__":
    main()
