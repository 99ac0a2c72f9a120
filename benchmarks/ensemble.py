"""What do the voices' models and the faces' action units reach together? Prints one JSON line a row.

    python benchmarks/ensemble.py RAVDESS_FOLDER ACTION_UNITS.csv [--protocol luna2022] [--epochs 80] [--seeds 3]
                                       [--others all] [--joint concatenate gated cross] [--per-speaker]
                                       [--result docs/results]

The networks are "full model" of `helpers.beyond.recipe.ablation`, once a seed, and the other rows that are named, once each;
what `benchmarks/ablation.py` has trained with the same options is taken from there. Where the thesis' network of
`benchmarks/audio_real.py` has been trained on all folds, it is among the voices. `--joint` names networks of
`benchmarks/joint.py` over voice and action units, with stream dropout 0.5, that join the fusion. All are joined
as a product of probabilities, each to the power that fits the other folds (`helpers.beyond.ensemble`); `equal_weights` is the accuracy
with the same power for all.
"""

import argparse
import json
import pathlib
import shlex

import ablation
import baselines
import joint

from helpers import runtime
from helpers.beyond import ensemble, recipe
from helpers.data import ravdess
from helpers.evaluation import significance
from helpers.training import cross_validation


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--protocol", default="luna2022", choices=("random", "luna2022"))
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--others", nargs="*", default=[], help="rows of the ablation that join at 40 epochs, or: all")
    parser.add_argument("--joint", nargs="*", default=[], help="networks over both streams that join, by kind")
    parser.add_argument("--per-speaker", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    if chosen.per_speaker and chosen.joint:
        parser.error("the networks over both streams are not trained person by person: --joint or --per-speaker")
    chosen.max_folds = None
    networks = ablation.train(chosen, recipe.ablation()["full model"])
    names = list(recipe.ablation()) if chosen.others == ["all"] else chosen.others
    once = argparse.Namespace(**vars(chosen) | {"seeds": 1, "epochs": None})
    others = [result for name in names for result in ablation.train(once, recipe.ablation()[name])]
    table = ravdess.index(chosen.root)
    machines = baselines.answers(
        baselines.streams(table, chosen.action_units), table, chosen.protocol, chosen.per_speaker
    )
    heard = [result for name, result in machines.items() if name not in ("video", "fusion")]
    voices = [*networks, *others, *heard, *thesis(chosen)]
    parts = {"voice": networks, "voices": voices, "fusion": [*voices, machines["video"], *joint(chosen)]}
    for name, results in parts.items():
        model = "fusion" if name == "fusion" else "audio"
        joined = ensemble.combine(results, model) if len(results) > 1 else results[0]
        sexes = joined.predictions.clip_id.map(table.set_index("clip_id").sex)
        by_sex = significance.by_group(joined.predictions.assign(sex=sexes), "sex").accuracy
        summary = joined.summary() | {"sex_accuracy": by_sex.to_dict()}
        summary |= {"equal_weights": ensemble.combine(results, model, fit=False).summary()["average"]}
        summary |= {"row": name, "per_speaker": chosen.per_speaker, "epochs": chosen.epochs}
        summary |= {"seeds": chosen.seeds, "command": command(chosen), "data": "RAVDESS, 1440 speech recordings"}
        summary |= {"config": json.loads((networks[0].out / "config.json").read_text())}
        shown = (
            "row",
            "protocol",
            "per_speaker",
            "average",
            "uar",
            "accuracy_interval",
            "equal_weights",
            "sex_accuracy",
        )
        print(json.dumps({key: summary[key] for key in shown}), flush=True)
        if chosen.result:
            file = f"beyond-{name}-{chosen.protocol}{'-per-person' * chosen.per_speaker}.json"
            (chosen.result / file).write_text(json.dumps(summary, indent=1) + "\n")


def joint(chosen):
    """The networks over both streams: list of CVResult."""
    if not chosen.joint:
        return []
    both, _ = joint.streams(chosen.root, chosen.action_units)
    options = argparse.Namespace(protocol=chosen.protocol, epochs=40, workers=chosen.workers)
    return [joint.train(both, kind, 0.5, options) for kind in chosen.joint]


def thesis(chosen):
    """The thesis' audio network on the same folds, all of them, or nothing: list of CVResult."""
    folder = runtime.workspace() / "runs" / "audio_real" / chosen.protocol
    if chosen.per_speaker or not (folder / "summary.json").is_file():
        return []
    result = cross_validation.load(folder)
    return [result] if result.summary()["folds"] == result.about["folds_planned"] else []


def command(chosen):
    words = f"--protocol {chosen.protocol} --epochs {chosen.epochs} --seeds {chosen.seeds}"
    words += " --others " * bool(chosen.others) + " ".join(shlex.quote(name) for name in chosen.others)
    words += " --joint " * bool(chosen.joint) + " ".join(chosen.joint)
    return f"KERAS_BACKEND=jax python benchmarks/ensemble.py ROOT ACTION_UNITS.csv {words}" + (
        " --per-speaker" * chosen.per_speaker
    )


if __name__ == "__main__":
    main()
