"""How long does a prediction take? Prints one JSON line.

    python benchmarks/predict.py CLIPS [--model FILE_OR_DIR] [--fold N] [--rounds 3]

CLIPS is a folder of real clips, MODEL a run's folder or an exported file, by default the pretrained model. Each clip is
predicted once a round after the model was loaded; then all of them, joined and repeated to 60 s, as one long clip.
"cold" are the CPU seconds of the command line's answer to one clip.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from helpers import runtime
from helpers.predict.predictor import by_name
from helpers.video import decoding


def timed(work, *arguments):
    start = time.perf_counter()
    return work(*arguments), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=pathlib.Path)
    parser.add_argument("--model")
    parser.add_argument("--fold", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    clips = sorted(chosen.clips.rglob("01-*.mp4")) or sorted(chosen.clips.rglob("*.mp4"))
    command = [sys.executable, "-m", "helpers.predict", clips[0]] + (["--model", chosen.model] if chosen.model else [])
    subprocess.run(command, check=True, capture_output=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    predictor, loading = timed(by_name, chosen.model, chosen.fold)
    first = timed(predictor.predict, clips[0])[1]
    seconds = [timed(predictor.predict, clip)[1] for _ in range(chosen.rounds) for clip in clips]
    with tempfile.TemporaryDirectory() as folder:
        lengths = len(predictor.predict(clips[0]).samples) / 48_000
        joined = (clips * 20)[: max(1, round(60 / lengths))]
        long = decoding.join(joined, pathlib.Path(folder) / "long.mp4", fps=30)
        answer, long_seconds = timed(predictor.predict, long)
    result = {
        "benchmark": "predict",
        "model": chosen.model or "pretrained",
        "backend": runtime.choose_backend(),
        "cores": runtime.workers(),
        "clips": len(clips),
        "cold_cpu_seconds": round(spent.ru_utime + spent.ru_stime, 2),
        "load_seconds": round(loading, 2),
        "first_seconds": round(first, 3),
        "seconds": round(statistics.median(seconds), 3),
        "slowest_seconds": round(max(seconds), 3),
        "long_clip_seconds": round(answer.timeline[-1].end, 1),
        "long_seconds": round(long_seconds, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
