"""Ablation of the full audio model on the real recordings: what is each part worth? Prints one JSON line a row.

    python benchmarks/ablation.py RAVDESS_FOLDER [--protocol luna2022] [--rows "full model" "no SpecAugment" …]
                                  [--per-speaker] [--seeds 1] [--epochs 40] [--max-folds 5] [--result docs/results]

The rows are those of `helpers.beyond.recipe.ablation`, all of them by default. With several seeds, a row's numbers are
means over them; its predictions have a column `seed`. `benchmarks/tables.py` compares the rows with the full model.
Resumable: the same command goes on with the next fold. KERAS_BACKEND=jax is the faster on a CPU.
"""

import argparse
import dataclasses
import pathlib

import pandas as pd
from tables import keep

from helpers import config, runtime
from helpers.beyond import recipe, speaker_normalisation
from helpers.data import ravdess
from helpers.features import building
from helpers.training import cross_validation


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--protocol", default="luna2022", choices=("random", "actor", "luna2022", "emobox"))
    parser.add_argument("--rows", nargs="+", default=list(recipe.ablation()), choices=list(recipe.ablation()))
    parser.add_argument("--per-speaker", action="store_true", help="per-speaker normalisation")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=recipe.TRAINING["epochs"])
    parser.add_argument("--max-folds", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--result", type=pathlib.Path, help="folder of the summaries to keep")
    options = parser.parse_args()
    for name in options.rows:
        models = train_row(options, name, options.epochs, options.seeds)
        about = {"row": name, "seeds": options.seeds, "per_speaker": options.per_speaker}
        about |= {"each_seed": [model.summary()["accuracy"] for model in models]}
        about |= {"config": config.read(models[0].out / "config.json"), "command": command(options, name)}
        file = file_name(name, options.protocol, options.epochs, options.per_speaker)
        keep(options.result, file, together(models), **about)


def together(models):
    """The CVResults of one seed or several as one, whose predictions hold each clip once a seed."""
    predictions = pd.concat([model.predictions.assign(seed=seed) for seed, model in enumerate(models)])
    return dataclasses.replace(models[0], predictions=predictions.reset_index(drop=True))


def train_row(options, name, epochs, seeds):
    """Cross-validates a row once a seed, on the same folds: list of CVResult."""
    row = recipe.ablation()[name]
    clips = ravdess.index(options.root)
    features = building.build(clips, runtime.workspace() / "cache", streams=("audio",), audio=row.features)
    if options.per_speaker:
        features = speaker_normalisation.normalised(features)
    parts = ravdess.folds(features, options.protocol)
    folder = runtime.workspace() / "runs" / "ablation" / (options.protocol + "-per-speaker" * options.per_speaker)
    return [
        cross_validation.cross_validate(
            features,
            "audio",
            options.protocol,
            max_folds=options.max_folds,
            out=folder / f"{recipe.slug(name)}-{epochs}-{seed}",
            train=dataclasses.replace(row.train, epochs=epochs),
            seed=seed,
            audio=row.network,
            parts=parts,
            workers=options.workers,
        )
        for seed in range(seeds)
    ]


def command(options, name):
    words = f'--protocol {options.protocol} --rows "{name}" --epochs {options.epochs}'
    words += f" --seeds {options.seeds}" * (options.seeds > 1) + " --per-speaker" * options.per_speaker
    words += f" --max-folds {options.max_folds}" if options.max_folds else ""
    return f"KERAS_BACKEND=jax python benchmarks/ablation.py ROOT {words}"


def file_name(row, protocol, epochs, per_speaker):
    """The name of a row in docs/results."""
    words = ["ablation", protocol, recipe.slug(row)] + [f"{epochs}-epochs"] * (epochs != recipe.TRAINING["epochs"])
    return "-".join(words + ["per-speaker"] * per_speaker)


if __name__ == "__main__":
    main()
