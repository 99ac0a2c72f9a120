"""One network over voice and action units, all 24 actors: what is a way of joining worth, and what a missing stream?

    python benchmarks/joint.py RAVDESS_FOLDER ACTION_UNITS.csv [--kinds concatenate gated cross]
        [--dropout 0 0.5] [--protocol luna2022] [--epochs 40] [--snrs 20 10 0] [--result docs/results]

Prints one JSON line a network: its summary's numbers, and the accuracy of its own test clips, made worse. The action
units are one step a clip. Resumable. KERAS_BACKEND=jax is the faster on a CPU.
"""

import argparse
import dataclasses
import itertools
import json
import pathlib

from helpers import runtime
from helpers.beyond import action_units, recipe, robustness
from helpers.config import FusionConfig, SubsystemConfig
from helpers.data import ravdess
from helpers.features import building
from helpers.training import cross_validation

VOICE = recipe.ablation()["full model"]
FACE = SubsystemConfig.video(cell="none", attention="soft", fc_units=64)  # of one step, its weight is 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--kinds", nargs="+", default=["concatenate", "gated", "cross"])
    parser.add_argument("--dropout", nargs="+", type=float, default=[0.0, 0.5])
    parser.add_argument("--protocol", default="luna2022", choices=("random", "luna2022"))
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--snrs", nargs="*", type=int, default=list(robustness.SNRS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    both, table = streams(chosen.root, chosen.action_units)
    damages = robustness.corrupted(both, table, VOICE.sound, snrs=chosen.snrs)
    for kind, dropout in itertools.product(chosen.kinds, chosen.dropout):
        result = train(both, kind, dropout, chosen)
        out = result.out
        worse = {d.damage: round(d.accuracy, 2) for d in robustness.table(out, both, damages).itertuples()}
        summary = result.summary() | {"fusion": kind, "modality_dropout": dropout, "corrupted": worse}
        shown = ("fusion", "modality_dropout", "protocol", "average", "uar", "accuracy_interval", "corrupted")
        print(json.dumps({key: summary[key] for key in shown}), flush=True)
        if chosen.result:
            words = f"--protocol {chosen.protocol} --kinds {kind} --dropout {dropout:g} --epochs {chosen.epochs}"
            words += " --snrs " + " ".join(map(str, chosen.snrs))
            command = f"KERAS_BACKEND=jax python benchmarks/joint.py ROOT ACTION_UNITS.csv {words.strip()}"
            summary |= {"command": command, "config": json.loads((out / "config.json").read_text())}
            summary |= {"data": "RAVDESS, 1440 speech recordings and their clips' mean action units"}
            name = f"joint-{chosen.protocol}-{kind}-{dropout:g}"
            (chosen.result / f"{name}.json").write_text(json.dumps(summary, indent=1) + "\n")


def streams(root, units):
    """(FeatureSet of the richer voice and the action units, table of its clips)."""
    table = ravdess.index(root)
    heard = building.build(table, runtime.workspace() / "cache", streams=("audio",), audio=VOICE.sound)
    table = table.set_index("clip_id").loc[heard.clip_id].reset_index()
    return action_units.beside(heard, action_units.read(units, table)), table


def train(both, kind, dropout, chosen):
    """One network's cross-validation, as far as it is not there: CVResult. Of `chosen`: protocol, epochs, workers."""
    name = f"joint-{chosen.protocol}-{kind}-{dropout:g}-{chosen.epochs}"
    options = {"out": runtime.workspace() / "runs" / "joint" / name, "workers": chosen.workers}
    options |= {"train": dataclasses.replace(VOICE.train, epochs=chosen.epochs), "video": FACE, "audio": VOICE.network}
    options |= {"fusion": FusionConfig(kind=kind, modality_dropout=dropout)}
    return cross_validation.cross_validate(both, "fusion", chosen.protocol, **options)


if __name__ == "__main__":
    main()
