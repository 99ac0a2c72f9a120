"""Fine-tunes VGG16 on FER2013, and compares it with its frozen ImageNet weights. Prints one JSON line.

    python benchmarks/fer2013.py IMAGES VGG16.h5 [--epochs 10] [--seed 0] [--weights OUT] [--result FILE.json]

IMAGES is FER2013: csv or image files, packed or not. Trained on its Training images, tested once on PublicTest at the
last epoch; the baseline is logistic regression on the frozen embeddings, in the same run.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

import numpy as np

from helpers import runtime
from helpers.data import images
from helpers.video import backbone, fine_tuning


def scores(label, prediction):
    from sklearn.metrics import recall_score

    uar = recall_score(label, prediction, average="macro")
    return {"accuracy": round(float((label == prediction).mean()), 4), "uar": round(float(uar), 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images")
    parser.add_argument("vgg16")
    parser.add_argument("--epochs", type=int, default=fine_tuning.FineTuneConfig.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="images of each split, for a try")
    parser.add_argument("--weights", default=str(pathlib.Path(tempfile.gettempdir()) / "vgg16_faces.weights.h5"))
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    import keras
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    data = images.fer2013(chosen.images)
    if chosen.limit:
        kept = [np.flatnonzero(data.split == name)[:: 8000 // chosen.limit] for name in ("train", "public")]
        data = data.subset(np.concatenate(kept))
    train, test = (data.subset(data.split == name) for name in ("train", "public"))
    source, identity = backbone.find_weights(chosen.vgg16)
    base = backbone.vgg16(source, data.images.shape[1])
    start = time.perf_counter()
    frozen = [backbone.embed(part.images, base) for part in (train, test)]
    scaler = StandardScaler().fit(frozen[0])
    linear = LogisticRegression(C=0.01, max_iter=2000).fit(scaler.transform(frozen[0]), train.label)
    before = scores(test.label, linear.predict(scaler.transform(frozen[1])))
    print(json.dumps({"linear": before, "seconds": round(time.perf_counter() - start)}), file=sys.stderr, flush=True)
    config = fine_tuning.FineTuneConfig(epochs=chosen.epochs, seed=chosen.seed)
    model, history = fine_tuning.fine_tune(data, chosen.weights, chosen.vgg16, config)
    after = scores(test.label, fine_tuning.predict(model, base, test.images).argmax(axis=1))
    result = {
        "benchmark": "fer2013",
        "trained_on": len(train),
        "tested_on": len(test),
        "vgg16": identity,
        "linear": before,
        "fine_tuned": after,
        "config": vars(config),
        "training_accuracy": round(history[-1]["accuracy"], 4),
        "seconds_an_epoch": round(float(np.median([row["seconds"] for row in history])), 1),
        "seconds": round(time.perf_counter() - start),
        "backend": keras.backend.backend(),
        "cores": runtime.workers(),
        "command": f"python benchmarks/fer2013.py IMAGES VGG16.h5 --epochs {chosen.epochs} --seed {chosen.seed}",
    }
    print(json.dumps(result))
    if chosen.result:
        chosen.result.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
