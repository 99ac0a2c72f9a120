"""Ensembles of audio models, and their late fusion with action units, on the real clips. Prints one JSON line a row.

    python benchmarks/ensemble.py RAVDESS_FOLDER ACTION_UNITS.csv [--protocol luna2022] [--epochs 80] [--seeds 3]
                                  [--others all] [--joint concatenate gated cross] [--thesis] [--per-speaker]
                                  [--result docs/results]

audio-network is the full model of `benchmarks/ablation.py`, one or several seeds; audio-ensemble adds the other rows of
the ablation that are named (40 epochs, one seed), the classical baselines, and with --thesis the thesis' network that
`benchmarks/audio_real.py --tuned` has trained; fusion-ensemble adds the SVM on action units and the networks of
`benchmarks/joint.py` that are named, with modality dropout 0.5. Models are combined by log-linear pooling
(`helpers.beyond.ensemble`); `equal_weights` is the accuracy without fitted weights. Networks that were trained with the
same options are taken as they are.
"""

import argparse
import pathlib
import shlex

from ablation import train_row
from baselines import clip_features, train_classifiers
from joint import multimodal_features, train_joint
from tables import keep

from helpers import config, runtime
from helpers.beyond import ensemble, recipe
from helpers.data import ravdess
from helpers.evaluation import significance
from helpers.training import cross_validation


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--protocol", default="luna2022", choices=("random", "luna2022"))
    parser.add_argument("--epochs", type=int, default=80, help="of the full model")
    parser.add_argument("--seeds", type=int, default=3, help="of the full model")
    parser.add_argument("--others", nargs="*", default=[], help="rows of the ablation, or: all")
    parser.add_argument("--joint", nargs="*", default=[], help="kinds of joint networks")
    parser.add_argument("--thesis", action="store_true", help="the thesis' network as well")
    parser.add_argument("--per-speaker", action="store_true", help="per-speaker normalisation")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--result", type=pathlib.Path, help="folder of the summaries to keep")
    options = parser.parse_args()
    if options.per_speaker and options.joint:
        parser.error("joint networks are not trained with per-speaker normalisation: --joint or --per-speaker")
    options.max_folds = None
    table = ravdess.index(options.root)
    for name, results in members(options, table).items():
        model = "fusion" if name == "fusion-ensemble" else "audio"
        combined = ensemble.combine(results, model) if len(results) > 1 else results[0]
        sexes = combined.predictions.clip_id.map(table.set_index("clip_id").sex)
        by_sex = significance.by_group(combined.predictions.assign(sex=sexes), "sex").accuracy
        about = {"sex_accuracy": by_sex.to_dict(), "row": name, "per_speaker": options.per_speaker}
        about |= {"equal_weights": ensemble.combine(results, model, fit=False).summary()["average"]}
        about |= {"epochs": options.epochs, "seeds": options.seeds, "command": command(options)}
        about |= {"config": config.read(results[0].out / "config.json")}
        keep(options.result, f"{name}-{options.protocol}{'-per-speaker' * options.per_speaker}", combined, **about)


def members(options, table):
    """{row: list of CVResult}: what each row combines, the full model first."""
    networks = train_row(options, "full model", options.epochs, options.seeds)
    names = list(recipe.ablation()) if options.others == ["all"] else options.others
    others = [result for name in names for result in train_row(options, name, recipe.TRAINING["epochs"], 1)]
    values = clip_features(table, options.action_units)
    classical = train_classifiers(values, table, options.protocol, options.per_speaker)
    face = classical.pop("svm-action-units")
    del classical["svm-fusion"]
    audio = [*networks, *others, *classical.values(), *thesis(options)]
    return {"audio-network": networks, "audio-ensemble": audio, "fusion-ensemble": [*audio, face, *joint(options)]}


def joint(options):
    """The joint networks that are named: list of CVResult."""
    if not options.joint:
        return []
    features, _ = multimodal_features(options.root, options.action_units)
    epochs = recipe.TRAINING["epochs"]
    return [train_joint(features, kind, 0.5, options.protocol, epochs, options.workers) for kind in options.joint]


def thesis(options):
    """The thesis' audio network as `benchmarks/audio_real.py --tuned` has trained it: list of CVResult."""
    folder = runtime.workspace() / "runs" / "audio_real" / f"audio-tuned-{options.protocol}"
    return [cross_validation.load(folder)] if options.thesis else []


def command(options):
    words = f"--protocol {options.protocol} --epochs {options.epochs} --seeds {options.seeds}"
    words += " --others " * bool(options.others) + " ".join(shlex.quote(name) for name in options.others)
    words += " --joint " * bool(options.joint) + " ".join(options.joint) + " --per-speaker" * options.per_speaker
    words += " --thesis" * options.thesis
    return f"KERAS_BACKEND=jax python benchmarks/ensemble.py ROOT ACTION_UNITS.csv {words}"


if __name__ == "__main__":
    main()
