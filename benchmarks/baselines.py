"""What do voice functionals and mean action units reach on the real recordings? Prints one JSON line a row.

    python benchmarks/baselines.py RAVDESS_FOLDER ACTION_UNITS.csv [--protocols luna2022 random] [--result FOLDER]

Support vector machines and their late fusion (`helpers.beyond.ensemble`); "linear" is a discriminant analysis of the
functionals that hears each clip at three speeds; "…-known" first guesses which of the training's people speaks, and
measures the clip against theirs. Each row once as it is and once with every person's rows standardised by their own
mean and spread: that takes a person's clips but not their labels. RESULT keeps the summaries.
"""

import argparse
import json
import pathlib
import sys
import time

from helpers import runtime
from helpers.beyond import action_units, baselines, ensemble, functionals, speaker_normalisation
from helpers.data import ravdess


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--protocols", nargs="+", default=["luna2022", "random"])
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    table = ravdess.index(chosen.root)
    start = time.perf_counter()
    found = streams(table, chosen.action_units)
    print(f"features of {len(table)} clips in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    for protocol in chosen.protocols:
        for person in (False, True):
            for name, result in answers(found, table, protocol, person).items():
                summary = result.summary() | {"per_speaker": person, "cores": runtime.workers()}
                shown = ("model", "protocol", "per_speaker", "average", "best", "lowest", "uar", "accuracy_interval")
                print(json.dumps({key: summary[key] for key in shown}), flush=True)
                if chosen.result:
                    summary |= {"command": "python benchmarks/baselines.py RAVDESS_FOLDER ACTION_UNITS.csv"}
                    kept = f"{name}-{protocol}{'-per-speaker' if person else ''}.json"
                    (chosen.result / kept).write_text(json.dumps(summary, indent=1) + "\n")


def streams(table, units):
    """{"audio": (N, V, D), "video": (N, D)}: functionals of each clip at three speeds, and mean action units."""
    return {
        "audio": functionals.table(table.audio_path, speeds=functionals.SPEEDS),
        "video": action_units.read(units, table),
    }


def answers(found, table, protocol, person=False):
    """{name: CVResult} of `streams`; the fusion is of the support vector machines of voice and action units."""
    rows = {name: speaker_normalisation.rows(x, table.actor) if person else x for name, x in found.items()}
    plain = rows["audio"][:, functionals.SPEEDS.index(1.0)]
    asked = {
        "audio": (plain, {"classifier": baselines.svm(10.0)}),
        "video": (rows["video"], {"classifier": baselines.svm(3.0)}),
        "linear": (rows["audio"], {"classifier": baselines.lda()}),
    }
    if not person:
        asked["audio-known"] = (rows["audio"], {"classifier": baselines.svm(10.0), "identify_speaker": True})
        asked["linear-known"] = (rows["audio"], {"classifier": baselines.lda(), "identify_speaker": True})
    results = {
        name: baselines.cross_validate(values, table, protocol, name=name, **options)
        for name, (values, options) in asked.items()
    }
    return results | {"fusion": ensemble.combine([results["audio"], results["video"]])}


if __name__ == "__main__":
    main()
