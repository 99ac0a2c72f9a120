"""How many recordings a second become MFCC on all cores, with reading the files. Prints one JSON line.

python benchmarks/mfcc.py FOLDER [--limit 1440]
"""

import argparse
import json
import pathlib
import time

from joblib import Parallel, delayed

from helpers import runtime
from helpers.audio import speech


def one(path):
    return len(speech.mfcc(*speech.load(path)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    paths = sorted(p for p in pathlib.Path(options.folder).rglob("03-01-*") if p.suffix in (".wav", ".flac"))
    paths = paths[: options.limit]
    workers = runtime.workers()
    with Parallel(n_jobs=workers) as parallel:
        parallel(delayed(one)(path) for path in paths[: 8 * workers])  # workers started, librosa imported
        start = time.perf_counter()
        frames = parallel(delayed(one)(path) for path in paths)
        seconds = time.perf_counter() - start
    result = {"recordings": len(paths), "frames": sum(frames), "workers": workers, "seconds": round(seconds, 2)}
    print(json.dumps(result | {"recordings_per_s": round(len(paths) / seconds, 1)}))


if __name__ == "__main__":
    main()
