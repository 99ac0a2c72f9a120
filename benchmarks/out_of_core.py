"""Training on more clips than fit into memory: generated features on the disk. Prints one JSON line.

python benchmarks/out_of_core.py FOLDER [--clips 100000]      writes about 5 GB below FOLDER, and deletes it
"""

import argparse
import json
import multiprocessing
import pathlib
import resource
import shutil
import time

import numpy as np

from helpers.config import SubsystemConfig, TrainConfig
from helpers.features.feature_set import FeatureSet, OnDisk
from helpers.training import cross_validation


def generate(folder, clips, frames=25, dim=512):
    """Saves features of clips whose label shows in some of them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    label = rng.integers(0, 8, clips)
    video = np.lib.format.open_memmap(folder / "video.npy", "w+", np.float32, (clips, frames, dim))
    for at in range(0, clips, 2048):
        part = rng.normal(size=(min(2048, clips - at), frames, dim)).astype(np.float32)
        part[np.arange(len(part)), :, label[at : at + 2048]] += 0.5
        video[at : at + 2048] = part
    video.flush()
    fields = {"video": OnDisk(folder / "video.npy"), "video_length": np.full(clips, frames, np.int32)}
    names = np.array([f"clip{n}" for n in range(clips)])
    FeatureSet(names, label, rng.integers(0, 100, clips), tuple("abcdefgh"), **fields).save_folder(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--clips", type=int, default=100_000)
    options = parser.parse_args()
    folder = pathlib.Path(options.folder) / "out_of_core"
    try:
        # In a process of its own: its memory is not the training's.
        child = multiprocessing.get_context("spawn").Process(target=generate, args=(folder / "features", options.clips))
        child.start()
        child.join()
        features = FeatureSet.load(folder / "features")
        start = time.perf_counter()
        result = cross_validation.cross_validate(
            features,
            "video",
            "actor",
            10,
            1,
            folder / "run",
            TrainConfig(epochs=1, batch_size=256),
            video=SubsystemConfig.video(units=64),
        )
        seconds = time.perf_counter() - start
        size = pathlib.Path(features.video.path).stat().st_size
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    numbers = {"clips": options.clips, "features_gb": round(size / 1e9, 2), "peak_memory_gb": round(peak / 1e9, 2)}
    print(json.dumps(numbers | {"seconds": round(seconds, 1), "accuracy": round(result.summary()["average"], 3)}))


if __name__ == "__main__":
    main()
