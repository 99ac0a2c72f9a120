"""What does each part of the richer voice, its network and its training do on the real recordings? A JSON line a row.

    python benchmarks/ablation.py RAVDESS_FOLDER [--protocol luna2022] [--rows everything "no SpecAugment" …]
                                      [--per-speaker] [--seeds 1] [--epochs 40] [--max-folds 5] [--result docs/results]

The rows are those of `helpers.beyond.recipe.ablation`, all of them by default. With more than one seed a row is the
product of
the seeds' answers. Each is set against "full model" on the same folds, which is trained where it is not yet. Resumable:
the same command goes on with the next fold. KERAS_BACKEND=jax is the faster on a CPU.
"""

import argparse
import dataclasses
import json
import pathlib

from helpers import runtime
from helpers.beyond import ensemble, recipe, speaker_normalisation
from helpers.data import ravdess
from helpers.evaluation import significance
from helpers.features import building
from helpers.training import cross_validation


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--protocol", default="luna2022", choices=("random", "actor", "luna2022"))
    parser.add_argument("--rows", nargs="+", default=list(recipe.ablation()))
    parser.add_argument("--per-speaker", action="store_true", help="everyone's clips by their own mean and spread")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--max-folds", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    for name in chosen.rows:
        results = train(chosen, recipe.ablation()[name])
        result = combined(results)
        summary = result.summary() | {"row": name, "seeds": chosen.seeds, "per_speaker": chosen.per_speaker}
        summary |= {"each_seed": [each.summary()["average"] for each in results]}
        if name != "full model":
            whole = combined(train(chosen, recipe.ablation()["full model"]))
            gain = significance.difference(whole.predictions, result.predictions, summary["interval_by"])
            summary |= {"against_full_model": gain}
        shown = ("row", "protocol", "folds", "epochs", "each_seed", "average", "uar", "accuracy_interval")
        shown += ("against_full_model",) * (name != "full model")
        print(json.dumps({key: summary[key] for key in shown}), flush=True)
        if chosen.result:
            keep(chosen, name, summary | {"config": json.loads((results[0].out / "config.json").read_text())})


def combined(results):
    return results[0] if len(results) == 1 else ensemble.combine(results, "audio")


def train(chosen, row):
    """The row's cross-validation, once a seed: list of CVResult on the same folds."""
    clips = ravdess.index(chosen.root)
    found = building.build(clips, runtime.workspace() / "cache", streams=("audio",), audio=row.sound)
    if chosen.per_speaker:
        found = speaker_normalisation.normalised(found)
    parts = ravdess.folds(found, chosen.protocol)
    settings = dataclasses.replace(row.train, epochs=chosen.epochs or row.train.epochs)
    place = runtime.workspace() / "runs" / "ablation" / (chosen.protocol + "-per-speaker" * chosen.per_speaker)
    options = {"train": settings, "audio": row.network, "parts": parts, "workers": chosen.workers}
    options["max_folds"] = chosen.max_folds
    folders = [place / f"{recipe.slug(row.name)}-{settings.epochs}-{seed}" for seed in range(chosen.seeds)]
    return [
        cross_validation.cross_validate(found, "audio", chosen.protocol, out=out, seed=seed, **options)
        for seed, out in enumerate(folders)
    ]


def keep(chosen, name, summary):
    """Writes docs/results' file of one row, with the command that makes it."""
    person, seeds = " --per-speaker" * chosen.per_speaker, f" --seeds {chosen.seeds}" if chosen.seeds > 1 else ""
    folds = f" --max-folds {chosen.max_folds}" if chosen.max_folds else ""
    command = f'KERAS_BACKEND=jax python benchmarks/ablation.py ROOT --protocol {chosen.protocol} --rows "{name}"'
    summary |= {"command": command + f" --epochs {summary['epochs']}{seeds}{folds}{person}"}
    summary |= {"data": "RAVDESS, 1440 speech recordings"}
    words = [f"beyond-audio-{chosen.protocol}-{recipe.slug(name)}-{summary['epochs']}"]
    words += [f"{chosen.seeds}-seeds"] * (chosen.seeds > 1) + ["per-person"] * chosen.per_speaker
    (chosen.result / f"{'-'.join(words)}.json").write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
