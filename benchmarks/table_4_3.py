"""Table 4.3 on the real recordings: six audio architectures without attention. Prints one JSON line a row.

    python benchmarks/table_4_3.py RAVDESS_FOLDER [--max-folds 3] [--epochs 50] [--workers 3] [--result docs/results]

Resumable, and on the same folds and with the same training as benchmarks/audio_real.py.
"""

import argparse
import pathlib

from audio_real import arguments, command, recordings, training
from tables import keep

from helpers import config, runtime
from helpers.evaluation import published
from helpers.training import ablation


def main():
    options = arguments(argparse.ArgumentParser(description=__doc__.splitlines()[0]))
    results, _ = ablation.run(
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
    for row, (name, result) in zip(published.TABLE_4_3, results.items()):
        about = {"thesis": row["thesis"], "config": config.read(result.out / "config.json"), "command": command()}
        keep(options.result and pathlib.Path(options.result), f"table-4.3-{name}", result, **about)


if __name__ == "__main__":
    main()
