"""Large ensembles on all 24 actors, with equal and with fitted weights. Prints one JSON line a row.

    python benchmarks/ensemble.py [--protocols luna2022 random] [--result docs/results]

Nothing is trained and no recording is needed: the members are the out-of-fold predictions in docs/results/predictions
of all models that were trained on RAVDESS alone, each seed one member, and none is left out for its score. `audio` are
the rows of `benchmarks/ablation.py`, the classifiers of `benchmarks/baselines.py` and the thesis' network
(`benchmarks/audio_real.py`); `fusion` adds the classifiers on action units, the thesis' fusion and the networks of
`benchmarks/joint.py`. Models are combined by log-linear pooling (`helpers.beyond.ensemble`). The rows with per-speaker
normalisation have three and four members. equal-thesis are the thesis' audio network and the SVM on action units.
"""

import argparse
import pathlib

import pandas as pd
from tables import keep, probabilities

from helpers.beyond import ensemble, recipe
from helpers.data.ravdess import EMOTIONS
from helpers.training.cross_validation import CVResult

AUDIO = ("svm-audio", "lda-audio", "svm-audio-identified", "lda-audio-identified", "audio-plain")
FACE = ("svm-action-units", "lda-action-units", "fusion-plain")
JOINT = [f"{kind}-{dropout}" for kind in ("concatenate", "gated", "cross") for dropout in ("0", "0.5")]
LEAST = 5e-4  # the predictions are kept with three or four digits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocols", nargs="+", default=["luna2022", "random"], choices=("luna2022", "random"))
    parser.add_argument("--result", type=pathlib.Path, help="folder of the summaries to keep")
    options = parser.parse_args()
    for protocol in options.protocols:
        for end in ("", "-per-speaker"):
            audio, face = members(protocol, end)
            for name, models in {"audio": audio, "fusion": [*audio, *face]}.items():
                for weights in ("equal", "fitted"):
                    combined = ensemble.combine(models, f"ensemble-{name}-{weights}", fit=weights == "fitted")
                    command = f"python benchmarks/ensemble.py --protocols {protocol} --result docs/results"
                    about = {"per_speaker": bool(end), "command": command}
                    keep(options.result, f"{combined.about['model']}-{protocol}{end}", combined, **about)
        pair = [committed(f"{name}-{protocol}")[0] for name in ("audio-plain", "svm-action-units")]
        keep(
            options.result,
            f"equal-thesis-{protocol}",
            ensemble.combine(pair, "equal-thesis", fit=False),
            command=command,
        )


def members(protocol, end=""):
    """(models of the audio, what the fusion has besides): two lists of CVResult."""
    if end:
        names = [f"ablation-{protocol}-full-model", f"svm-audio-{protocol}", f"lda-audio-{protocol}"]
        face = [f"svm-action-units-{protocol}"]
    else:
        rows = [recipe.slug(row) for row in recipe.ablation()]
        rows += ["full-model-120-epochs", "no-augmentation-120-epochs"]  # in random folds
        names = [f"ablation-{protocol}-{row}" for row in rows] + [f"{name}-{protocol}" for name in AUDIO]
        face = [*(f"{name}-{protocol}" for name in FACE), *(f"joint-{protocol}-{name}" for name in JOINT)]
    return [[model for name in group for model in committed(name + end)] for group in (names, face)]


def committed(name):
    """The models behind a committed result, one a seed: list of CVResult, empty where its predictions were not kept."""
    rows = recipe.predictions(name)
    if rows is None:
        return []
    rows = rows.assign(clip_id=rows.clip_id.str.partition("/")[0], seed=rows.get("seed", 0))
    rows[probabilities(rows)] = rows[probabilities(rows)].clip(lower=LEAST)
    about = {key: recipe.result(name)[key] for key in ("protocol", "folds_planned")} | {"model": name}
    return [CVResult(own, pd.DataFrame(), EMOTIONS, about, None) for _, own in rows.groupby("seed")]


if __name__ == "__main__":
    main()
