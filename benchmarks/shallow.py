"""What do voice functionals and mean action units reach on the real recordings? Prints one JSON line a row.

    python benchmarks/shallow.py RAVDESS_FOLDER ACTION_UNITS.csv [--protocols luna2022 random] [--result FOLDER]

Support vector machines and a late fusion, each row once as it is and once with every person's rows standardised by
their own mean and spread, which takes a person's clips but not their labels. RESULT keeps the summaries.
"""

import argparse
import json
import pathlib
import sys
import time

from helpers import action_units, functionals, people, ravdess, runtime, shallow

PENALTY = {"audio": 10.0, "video": 3.0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--protocols", nargs="+", default=["luna2022", "random"])
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    table = ravdess.index(chosen.root)
    start = time.perf_counter()
    streams = {"audio": functionals.table(table.audio_path), "video": action_units.read(chosen.action_units, table)}
    print(f"features of {len(table)} clips in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    for protocol in chosen.protocols:
        for person in (False, True):
            rows = {name: people.rows(x, table.actor) if person else x for name, x in streams.items()}
            for name, result in shallow.cross_validate(rows, table, protocol, penalty=PENALTY).items():
                summary = result.summary() | {"per_person": person, "cores": runtime.workers()}
                shown = ("model", "protocol", "per_person", "average", "best", "lowest", "uar", "accuracy_interval")
                print(json.dumps({key: summary[key] for key in shown}), flush=True)
                if chosen.result:
                    summary |= {"command": "python benchmarks/shallow.py RAVDESS_FOLDER ACTION_UNITS.csv"}
                    kept = f"shallow-{name}-{protocol}{'-per-person' if person else ''}.json"
                    (chosen.result / kept).write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
