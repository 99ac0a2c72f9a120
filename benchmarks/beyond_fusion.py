"""What do the voices' models and the faces' action units reach together? Prints one JSON line a row.

    python benchmarks/beyond_fusion.py RAVDESS_FOLDER ACTION_UNITS.csv [--protocol luna2022] [--epochs 80] [--seeds 3]
                                       [--others all] [--joint concatenate gated cross] [--per-person]
                                       [--result docs/results]

The networks are "everything" of `helpers.beyond.recipe.ablation`, once a seed, and the other rows that are named, once each;
what `benchmarks/beyond_audio.py` has trained with the same options is taken from there. Where the thesis' network of
`benchmarks/audio_real.py` has been trained on all folds, it is among the voices. `--joint` names networks of
`benchmarks/beyond_joint.py` over voice and action units, with stream dropout 0.5, that join the fusion. All are joined
as a product of probabilities, each to the power that fits the other folds (`helpers.beyond.ensemble`); `alike` is the accuracy
with the same power for all.
"""

import argparse
import json
import pathlib
import shlex

import beyond_audio
import beyond_joint
import shallow

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
    parser.add_argument("--per-person", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    if chosen.per_person and chosen.joint:
        parser.error("the networks over both streams are not trained person by person: --joint or --per-person")
    chosen.max_folds = None
    networks = beyond_audio.train(chosen, recipe.ablation()["everything"])
    names = list(recipe.ablation()) if chosen.others == ["all"] else chosen.others
    once = argparse.Namespace(**vars(chosen) | {"seeds": 1, "epochs": None})
    others = [result for name in names for result in beyond_audio.train(once, recipe.ablation()[name])]
    table = ravdess.index(chosen.root)
    machines = shallow.answers(shallow.streams(table, chosen.action_units), table, chosen.protocol, chosen.per_person)
    heard = [result for name, result in machines.items() if name not in ("video", "fusion")]
    voices = [*networks, *others, *heard, *thesis(chosen)]
    parts = {"voice": networks, "voices": voices, "fusion": [*voices, machines["video"], *joint(chosen)]}
    for name, results in parts.items():
        model = "fusion" if name == "fusion" else "audio"
        joined = ensemble.combine(results, model) if len(results) > 1 else results[0]
        sexes = joined.predictions.clip_id.map(table.set_index("clip_id").sex)
        by_sex = significance.by_group(joined.predictions.assign(sex=sexes), "sex").accuracy
        summary = joined.summary() | {"sex_accuracy": by_sex.to_dict()}
        summary |= {"alike": ensemble.combine(results, model, fit=False).summary()["average"]}
        summary |= {"row": name, "per_person": chosen.per_person, "epochs": chosen.epochs}
        summary |= {"seeds": chosen.seeds, "command": command(chosen), "data": "RAVDESS, 1440 speech recordings"}
        summary |= {"config": json.loads((networks[0].out / "config.json").read_text())}
        shown = ("row", "protocol", "per_person", "average", "uar", "accuracy_interval", "alike", "sex_accuracy")
        print(json.dumps({key: summary[key] for key in shown}), flush=True)
        if chosen.result:
            file = f"beyond-{name}-{chosen.protocol}{'-per-person' * chosen.per_person}.json"
            (chosen.result / file).write_text(json.dumps(summary, indent=1) + "\n")


def joint(chosen):
    """The networks over both streams: list of CVResult."""
    if not chosen.joint:
        return []
    both, _ = beyond_joint.streams(chosen.root, chosen.action_units)
    options = argparse.Namespace(protocol=chosen.protocol, epochs=40, workers=chosen.workers)
    return [beyond_joint.train(both, kind, 0.5, options) for kind in chosen.joint]


def thesis(chosen):
    """The thesis' audio network on the same folds, all of them, or nothing: list of CVResult."""
    folder = runtime.workspace() / "runs" / "audio_real" / chosen.protocol
    if chosen.per_person or not (folder / "summary.json").is_file():
        return []
    result = cross_validation.load(folder)
    return [result] if result.summary()["folds"] == result.about["folds_planned"] else []


def command(chosen):
    words = f"--protocol {chosen.protocol} --epochs {chosen.epochs} --seeds {chosen.seeds}"
    words += " --others " * bool(chosen.others) + " ".join(shlex.quote(name) for name in chosen.others)
    words += " --joint " * bool(chosen.joint) + " ".join(chosen.joint)
    return f"KERAS_BACKEND=jax python benchmarks/beyond_fusion.py ROOT ACTION_UNITS.csv {words}" + (
        " --per-person" * chosen.per_person
    )


if __name__ == "__main__":
    main()
