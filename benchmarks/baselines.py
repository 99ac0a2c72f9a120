"""Classical baselines on the real recordings: functionals and mean action units. Prints one JSON line a row.

    python benchmarks/baselines.py RAVDESS_FOLDER ACTION_UNITS.csv [--protocols luna2022 …] [--result docs/results]

SVMs on audio and action units, and their late fusion; an LDA on audio with speed perturbation and test-time
augmentation; and both on audio with speaker identification (not in their per-speaker rows). Every row is there with and
without per-speaker normalisation, which takes several clips of each test speaker but not their labels. The protocols
`repetition` and `actor-emotion` (`benchmarks/lda.py`) have neither that nor speaker identification.
"""

import argparse
import pathlib
import sys
import time

from lda import PROTOCOLS, folds
from tables import keep

from helpers.audio import functionals
from helpers.beyond import action_units, baselines, ensemble, speaker_normalisation
from helpers.data import ravdess

WHOLE = ("luna2022", "random", "emobox")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--protocols", nargs="+", default=WHOLE, choices=PROTOCOLS)
    parser.add_argument("--result", type=pathlib.Path, help="folder of the summaries to keep")
    options = parser.parse_args()
    table = ravdess.index(options.root)
    start = time.perf_counter()
    values = clip_features(table, options.action_units)
    print(f"features of {len(table)} clips in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    for protocol in options.protocols:
        for per_speaker in (False, True) if protocol in WHOLE else (False,):
            for name, result in train_classifiers(values, table, protocol, per_speaker).items():
                command = f"python benchmarks/baselines.py ROOT ACTION_UNITS.csv --protocols {protocol}"
                about = {"per_speaker": per_speaker, "command": f"{command} --result docs/results"}
                keep(options.result, f"{name}-{protocol}{'-per-speaker' * per_speaker}", result, **about)


def clip_features(table, units):
    """{"audio": (N, V, D), "video": (N, D)}: functionals of each clip at several speeds, and mean action units."""
    return {
        "audio": functionals.table(table.audio_path, functionals.SPEEDS),
        "video": action_units.read(units, table),
    }


def train_classifiers(values, table, protocol, per_speaker=False):
    """Cross-validates every baseline on `clip_features`: {name: CVResult}."""
    if per_speaker:
        values = {name: speaker_normalisation.z_scores(rows, table.actor) for name, rows in values.items()}
    audio, video = values["audio"], values["video"]
    plain = audio[:, functionals.SPEEDS.index(1.0)]
    rows = {
        "svm-audio": (plain, {"classifier": baselines.svm(10.0)}),
        "svm-action-units": (video, {"classifier": baselines.svm(3.0)}),
        "lda-audio": (audio, {"classifier": baselines.lda()}),
    }
    if not per_speaker and protocol in WHOLE:
        rows["svm-audio-identified"] = (audio, {"classifier": baselines.svm(10.0), "identify_speaker": True})
        rows["lda-audio-identified"] = (audio, {"classifier": baselines.lda(), "identify_speaker": True})
    results = {
        name: baselines.cross_validate(inputs, table, protocol, name=name, parts=folds(table, protocol), **options)
        for name, (inputs, options) in rows.items()
    }
    fused = ensemble.combine([results["svm-audio"], results["svm-action-units"]], "svm-fusion")
    return results | {"svm-fusion": fused}


if __name__ == "__main__":
    main()
