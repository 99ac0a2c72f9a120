"""What do video, audio and fusion reach within one real actor? Prints one JSON line: {model: summary}.

python benchmarks/within_actor.py FACES.npz RAVDESS_FOLDER VGG16.h5 [--folds 4] [--epochs 60] [--backbone imagenet]
                                  [--result docs/results]

FACES.npz holds `faces` uint8 (N, T, 48, 48, 3) and `clip_id` (N,); black frames are frames without a face. The sound is
the audio-only recording of the same take. The folds are random over the actor's clips: this says nothing about others.
`--backbone` names the weights in the results; "faces" are those of `benchmarks/fer2013.py`.
"""

import argparse
import json
import pathlib

import numpy as np

from helpers import config, runtime
from helpers.config import TrainConfig
from helpers.data import ravdess
from helpers.features import building
from helpers.features.feature_set import FeatureSet
from helpers.training import cross_validation
from helpers.video import backbone


def gather(faces_file, root, weights):
    """FeatureSet of the actor's clips: video from the given faces, audio from the recordings of the same takes."""
    with np.load(faces_file, allow_pickle=False) as stored:
        faces, names = stored["faces"], stored["clip_id"].astype(str)
    clips = [ravdess.parse(name) for name in names]
    table = ravdess.index(root)
    takes = {row.clip_id[3:]: position for position, row in enumerate(table.itertuples())}
    table = table.iloc[[takes[clip.take] for clip in clips]]
    audio = building.build(table, runtime.workspace() / "cache", streams=("audio",), progress=False)
    source, _ = backbone.find_weights(weights)
    real = faces.reshape(*faces.shape[:2], -1).any(axis=2)  # (N, T)
    video = np.zeros((*real.shape, backbone.DIM), dtype=np.float32)
    for row, clip_faces, there in zip(video, faces, real):
        row[: there.sum()] = backbone.embed(clip_faces[there], source)
    return FeatureSet(
        clip_id=audio.clip_id,
        label=audio.label,
        actor=audio.actor,
        classes=audio.classes,
        video=video,
        video_length=real.sum(axis=1).astype(np.int32),
        **audio.inputs(),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("faces", "root", "weights"):
        parser.add_argument(name)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--backbone", default="imagenet", help="what to call the weights")
    parser.add_argument("--result", type=pathlib.Path)
    options = parser.parse_args()
    feature_set = gather(options.faces, options.root, options.weights)
    out = runtime.workspace() / "runs" / "within_actor" / options.backbone
    summaries = {}
    for model in cross_validation.MODELS:
        train = TrainConfig(epochs=options.epochs, batch_size=16)
        result = cross_validation.cross_validate(
            feature_set, model, "random", options.folds, out=out / model, train=train
        )
        summaries[model] = result.summary() | {"backbone": options.backbone, "command": command(options)}
        summaries[model] |= {"data": "RAVDESS, 60 audio-video takes of actor 5, 15 frames a clip"}
        summaries[model] |= {"config": config.read(out / model / "config.json")}
        if options.result:
            file = options.result / f"actor05-{model}-{options.backbone}.json"
            file.write_text(json.dumps(summaries[model], indent=1) + "\n")
    print(json.dumps(summaries))


def command(options):
    words = f"--folds {options.folds} --epochs {options.epochs} --backbone {options.backbone}"
    return f"KERAS_BACKEND=jax python benchmarks/within_actor.py FACES.npz ROOT VGG16.h5 {words}"


if __name__ == "__main__":
    main()
