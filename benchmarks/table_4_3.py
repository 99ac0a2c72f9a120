"""Table 4.3 on the real recordings: six audio architectures without attention. Prints one JSON line, row by row.

    python benchmarks/table_4_3.py RAVDESS_FOLDER [--max-folds 2] [--epochs 30] [--result docs/results]

Resumable, and on the same folds and with the same training as benchmarks/audio_real.py but for the dropout between
RNNs, which the table does without.
"""

import argparse
import json
import pathlib

from audio_real import arguments, command, recordings, training

from helpers import config, runtime
from helpers.evaluation import published
from helpers.training import ablation


def main():
    options = arguments(argparse.ArgumentParser(description=__doc__.splitlines()[0]))
    results, table = ablation.run(
        recordings(options.root),
        "audio",
        published.TABLE_4_3,
        options.out or runtime.workspace() / "runs" / "table_4_3" / options.protocol,
        protocol=options.protocol,
        n_folds=options.folds,
        max_folds=options.max_folds,
        train=training(options),
        workers=options.workers,
    )
    rows = table.to_dict(orient="index")
    if options.result:
        first = next(iter(results.values()))
        settings = config.read(first.out / "config.json")
        for name, result in results.items():
            rows[name]["fold_accuracy"] = result.summary()["fold_accuracy"]
        del settings["audio"]
        about = {"command": command(), "data": "RAVDESS, 1440 speech recordings"}
        path = pathlib.Path(options.result) / "table-4.3.json"
        path.write_text(json.dumps({"rows": rows, "config": settings} | about, indent=1) + "\n")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
