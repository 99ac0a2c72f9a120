"""One network on audio and action units, trained end-to-end: kinds of fusion and corruption robustness.

    python benchmarks/joint.py RAVDESS_FOLDER ACTION_UNITS.csv [--kinds concatenate gated cross] [--dropout 0 0.5]
                               [--protocol luna2022] [--epochs 40] [--snrs 20 10 0] [--result docs/results]

Prints one JSON line a network: its summary's numbers, and its accuracy on corrupted test clips. `--dropout` is modality
dropout. The action units are a video of one step. Resumable. KERAS_BACKEND=jax is the faster on a CPU.
"""

import argparse
import dataclasses
import itertools
import pathlib

from tables import keep

from helpers import config, runtime
from helpers.beyond import action_units, recipe, robustness
from helpers.config import FusionConfig, SubsystemConfig
from helpers.data import ravdess
from helpers.features import building
from helpers.training import cross_validation

AUDIO = recipe.ablation()["full model"]
VIDEO = SubsystemConfig.video(cell="none", attention="soft", fc_units=64)  # with one step, its weight is 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--kinds", nargs="+", default=["concatenate", "gated", "cross"])
    parser.add_argument("--dropout", nargs="+", type=float, default=[0.0, 0.5])
    parser.add_argument("--protocol", default="luna2022", choices=("random", "luna2022"))
    parser.add_argument("--epochs", type=int, default=recipe.TRAINING["epochs"])
    parser.add_argument("--snrs", nargs="*", type=int, default=list(robustness.SNRS), help="of the noise, in dB")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--result", type=pathlib.Path, help="folder of the summaries to keep")
    options = parser.parse_args()
    features, table = multimodal_features(options.root, options.action_units)
    corruptions = robustness.corrupted(features, table, AUDIO.features, snrs=options.snrs)
    for kind, dropout in itertools.product(options.kinds, options.dropout):
        result = train_joint(features, kind, dropout, options.protocol, options.epochs, options.workers)
        rows = robustness.table(result.out, features, corruptions)
        words = f"--protocol {options.protocol} --kinds {kind} --dropout {dropout:g} --epochs {options.epochs}"
        words += " --snrs " + " ".join(map(str, options.snrs))
        command = f"KERAS_BACKEND=jax python benchmarks/joint.py ROOT ACTION_UNITS.csv {words.strip()}"
        about = {"fusion": kind, "modality_dropout": dropout, "command": command}
        about |= {"corrupted": dict(zip(rows.corruption, rows.accuracy.round(2)))}
        about |= {"config": config.read(result.out / "config.json")}
        about |= {"data": "RAVDESS, 1440 speech recordings and their clips' mean action units"}
        keep(options.result, f"joint-{options.protocol}-{kind}-{dropout:g}", result, **about)


def multimodal_features(root, units):
    """(FeatureSet of extended acoustic features and action units, table of its clips)."""
    table = ravdess.index(root)
    features = building.build(table, runtime.workspace() / "cache", streams=("audio",), audio=AUDIO.features)
    table = table.set_index("clip_id").loc[features.clip_id].reset_index()
    return action_units.as_video(features, action_units.read(units, table)), table


def train_joint(features, kind, dropout, protocol, epochs, workers):
    """Cross-validates one joint network, as far as that is not done: CVResult."""
    return cross_validation.cross_validate(
        features,
        "fusion",
        protocol,
        out=runtime.workspace() / "runs" / "joint" / f"joint-{protocol}-{kind}-{dropout:g}-{epochs}",
        train=dataclasses.replace(AUDIO.train, epochs=epochs),
        video=VIDEO,
        audio=AUDIO.network,
        fusion=FusionConfig(kind=kind, modality_dropout=dropout),
        workers=workers,
    )


if __name__ == "__main__":
    main()
