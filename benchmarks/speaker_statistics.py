"""What must be known of a test speaker for per-speaker normalisation? Prints one JSON line a row.

    python benchmarks/speaker_statistics.py RAVDESS_FOLDER ACTION_UNITS.csv [--result FILE]

The SVMs of `benchmarks/baselines.py` in the folds of luna2022. Training speakers are normalised by all their clips, a
test speaker by the mean and standard deviation of some: the neutral and calm ones, 5, 10 or 20 drawn at random (10
draws), or all 60. Gains are over the SVM without normalisation, on the same clips.
"""

import argparse
import json
import pathlib

import numpy as np
import pandas as pd

from helpers.audio import functionals
from helpers.beyond import action_units, baselines, speaker_normalisation
from helpers.data import ravdess
from helpers.evaluation import significance

REFERENCES = {"neutral and calm": None, "5 at random": 5, "10 at random": 10, "20 at random": 20, "all 60": 60}
DRAWS = 10
CALM = [ravdess.EMOTIONS.index(name) for name in ("neutral", "calm")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--result", type=pathlib.Path)
    options = parser.parse_args()
    table = ravdess.index(options.root)
    streams = {"face": (action_units.read(options.action_units, table), 3.0)}
    streams["audio"] = (functionals.table(table.audio_path, (1.0,))[:, 0], 10.0)
    rows = [row | {"stream": name} for name, stream in streams.items() for row in measure(*stream, table)]
    for row in rows:
        print(json.dumps(row), flush=True)
    if options.result:
        command = "python benchmarks/speaker_statistics.py ROOT ACTION_UNITS.csv"
        command += " --result docs/results/speaker-statistics.json"
        about = {"model": "SVM", "protocol": "luna2022", "seed": 0, "draws": DRAWS, "command": command, "rows": rows}
        options.result.write_text(json.dumps(about | {"data": "RAVDESS, 1440 speech recordings"}, indent=1) + "\n")


def measure(values, C, table):
    """One dict a reference: clips, accuracy and [gain, low, high], from 0 to 1."""
    plain, found = [], {name: [] for name in REFERENCES}
    normal = speaker_normalisation.z_scores(values, table.actor)
    for train, test in ravdess.folds(table, "luna2022"):
        own, fitted = table.iloc[test], table.iloc[train]
        without = baselines.svm(C).fit(values[train], fitted.label)
        model = baselines.svm(C).fit(normal[train], fitted.label)
        plain.append(own.assign(prediction=answers(without, values[test])))
        for name, count in REFERENCES.items():
            for draw in range(DRAWS if count and count < 60 else 1):
                known = own[own.label.isin(CALM)]
                if count:
                    known = own.groupby("actor").sample(count, random_state=draw)
                known = pd.concat([known, fitted])
                reference = (values[known.index], known.actor)
                prediction = answers(model, speaker_normalisation.z_scores(values[test], own.actor, reference))
                found[name].append(own.assign(prediction=prediction, clip_id=own.clip_id + f"/{draw}"))
    plain = pd.concat(plain)
    for name, each in found.items():
        each = pd.concat(each)
        same = pd.concat([plain.assign(clip_id=plain.clip_id + f"/{d}") for d in range(len(each) // len(plain))])
        right = each.prediction == each.label
        gain = significance.difference(same, each, by="actor")
        yield {"clips": name, "accuracy": float(np.mean(right)), "gain": gain}


def answers(model, rows):
    return model.decision_function(rows).argmax(axis=1)  # as in the rows of baselines.py


if __name__ == "__main__":
    main()
