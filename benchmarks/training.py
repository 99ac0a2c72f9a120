"""Seconds an epoch: naive training against this suite's, on real MFCC sequences. Prints one JSON line.

    python benchmarks/training.py RAVDESS_FOLDER [--epochs 4] [--rounds 2]

Naive is Model.fit on everything padded to the longest clip, on the TensorFlow backend, one fold after the other. Ours
is the JAX backend, batches trimmed to their clips, and as many folds side by side as there are cores, each in a process
of one thread: the seconds of an epoch are then shared by that many folds. Both take turns, `rounds` times, with the
same model (the thesis' audio subsystem), first weights and batches of clips, so that their losses can be compared;
dropout is off, because its draws differ from backend to backend. The first epoch, which compiles, is not counted.
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from helpers import runtime

ONE_THREAD = dict.fromkeys(("NPROC", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")
# backend, trimmed, folds at once
WAYS = {"naive": ("tensorflow", False, 1), "ours": ("jax", True, runtime.workers())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--weights", type=pathlib.Path, help="the first weights; made where there are none")
    options = parser.parse_args()
    if options.way:
        return print(json.dumps(train(options.root, options.epochs, WAYS[options.way][1], options.weights)))
    seconds, losses = {way: [] for way in WAYS}, {}
    weights = pathlib.Path(tempfile.mkdtemp()) / "first.weights.h5"
    for way in list(WAYS) * options.rounds:
        backend, _, at_once = WAYS[way]
        words = [sys.executable, __file__, options.root, "--epochs", str(options.epochs)]
        words += ["--way", way, "--weights", str(weights)]
        environment = {**os.environ, "KERAS_BACKEND": backend, **(ONE_THREAD if at_once > 1 else {})}
        running = [subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(at_once)]
        printed = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
        seconds[way].append(statistics.mean(one["seconds"] for one in printed) / at_once)
        losses[way] = printed[0]["loss"]
        print(way, seconds[way], file=sys.stderr, flush=True)
    numbers = {f"{way}_s_an_epoch": [round(second, 2) for second in seconds[way]] for way in WAYS}
    numbers["naive_per_ours"] = round(statistics.mean(seconds["naive"]) / statistics.mean(seconds["ours"]), 2)
    apart = max(abs(ours / naive - 1) for ours, naive in zip(losses["ours"], losses["naive"]))
    numbers["losses_apart_per_cent"] = round(100 * apart, 3)
    print(json.dumps(numbers | {f"{way}_loss": [round(loss, 4) for loss in losses[way]] for way in WAYS}))


def train(root, epochs, trim, weights):
    import keras

    from helpers.config import SubsystemConfig
    from helpers.data import ravdess
    from helpers.features import building
    from helpers.models import subsystems

    found = building.build(ravdess.index(root), runtime.workspace() / "cache", streams=("audio",), progress=False)
    rows, _ = ravdess.folds(found, "random", 10)[0]
    runtime.seed(0)
    settings = SubsystemConfig.audio(dropout=0.0)
    model = subsystems.audio_subsystem(config=settings, normalisation=found.normalisation(rows, "audio"))
    if weights.is_file():
        model.load_weights(weights)
    else:
        model.save_weights(weights)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    stamps = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: stamps.append(time.perf_counter()),
        on_train_end=lambda logs: stamps.append(time.perf_counter()),
    )
    batches = found.batches(rows, 64, seed=0, bucket=True)
    if not trim:
        batches.edges = {stream: edges[-1:] for stream, edges in batches.edges.items()}  # the longest clip's length
    history = model.fit(batches, shuffle=False, epochs=epochs, callbacks=[watch], verbose=0)
    seconds = [b - a for a, b in itertools.pairwise(stamps)][1:]
    return {"seconds": statistics.median(seconds), "loss": history.history["loss"]}


if __name__ == "__main__":
    main()
