"""python -m helpers.evaluation RUNS…: prints the table of results below each folder, and which figures lie there."""

import pathlib
import sys

from helpers import config
from helpers.evaluation import metrics

_DATA = {"synthetic": "synthetic clips, drawn faces", "ravdess": "RAVDESS, real people"}


def main(*folders):
    for folder in map(pathlib.Path, folders):
        paths = sorted(folder.glob("*/summary.json"))
        if not paths:
            raise SystemExit(f"no summary.json below {folder}; run the notebooks first")
        try:
            summaries = {path.parent.name: config.read_json(path, {}, "run the same again") for path in paths}
        except ValueError as error:
            raise SystemExit(str(error)) from error
        data = sorted({summary.get("trained_on") or "data not recorded" for summary in summaries.values()})
        print(f"\n{folder}: {', '.join(_DATA.get(name, name) for name in data)}; accuracies in per cent")
        print(metrics.table(summaries).to_string())
        if figures := sorted(folder.glob("*.png")):
            print("figures: " + ", ".join(map(str, figures)))


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["runs"]))
