"""python -m helpers.evaluation RUNS: prints the table of the results below a folder, and which figures lie there."""

import json
import pathlib
import sys

from helpers.evaluation import metrics


def main(folder):
    folder = pathlib.Path(folder)
    paths = sorted(folder.glob("*/summary.json"))
    if not paths:
        raise SystemExit(f"no summary.json below {folder}; run the notebooks first")
    print(metrics.table({path.parent.name: json.loads(path.read_text()) for path in paths}).to_string())
    print("\naccuracies in per cent · figures: " + ", ".join(map(str, sorted(folder.glob("*.png")))))


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "runs")
