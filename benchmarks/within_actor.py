"""What do video, audio and fusion reach within one real actor? Prints one JSON line: {model: summary}.

python benchmarks/within_actor.py FACES.npz RAVDESS_FOLDER VGG16.h5 [--folds 4] [--epochs 60] [--backbone imagenet]
                                  [--result docs/results] [--frames all mean one shuffled]

FACES.npz holds `faces` uint8 (N, T, 48, 48, 3) and `clip_id` (N,); black frames are frames without a face. The sound is
the audio-only recording of the same take. The folds are random over the actor's clips: this says nothing about others.
`--backbone` names the weights in the results; "faces" are those of `benchmarks/fer2013.py`.

With `--frames`, what is a GRU over the frames worth? Video alone, by several readings of the same clips: all frames in
order, their mean as one step, the middle frame, the frames in random order, another for each clip. Three seeds, each
with folds of its own; random folds, and folds that keep both repetitions of a sentence together.
"""

import argparse
import dataclasses
import json
import pathlib

import numpy as np
import pandas as pd
from lda import folds

from helpers import config, evaluation, runtime
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


def reading(feature_set, frames):
    """The FeatureSet with only the video, read as `frames` says: all, mean, one (the middle frame) or shuffled."""
    length, clips = feature_set.video_length, zip(feature_set.video, feature_set.video_length)
    rng = np.random.default_rng(0)
    if frames == "mean":
        video = np.stack([clip[:n].mean(axis=0, keepdims=True) for clip, n in clips])  # (N, 1, 512)
    elif frames == "one":
        video = np.stack([clip[n // 2 : n // 2 + 1] for clip, n in clips])
    elif frames == "shuffled":
        video = np.stack([np.concatenate([rng.permutation(clip[:n]), clip[n:]]) for clip, n in clips])
    else:
        video = feature_set.video
    length = np.minimum(length, video.shape[1])
    return dataclasses.replace(feature_set, video=video, video_length=length, audio=None, audio_length=None)


def compare(feature_set, readings, options, out):
    """Trains each reading on the same folds: {reading: {protocol: accuracy, interval, gain over the first}}."""
    found = {frames: {} for frames in readings}
    train = TrainConfig(epochs=options.epochs, batch_size=16)
    table = pd.DataFrame({name: getattr(feature_set, name) for name in ("clip_id", "actor", "label")})
    for protocol in ("random", "repetition"):
        first = None
        for frames in readings:
            features, parts = reading(feature_set, frames), []
            for seed in range(3):
                # One actor is on both sides in either protocol, which only "random" allows.
                own = folds(table, protocol, seed, options.folds) if protocol == "repetition" else None
                where = out / "frames" / protocol / f"{frames}-{seed}"
                predicted = cross_validation.cross_validate(
                    features, "video", "random", options.folds, out=where, train=train, seed=seed, parts=own
                ).predictions
                # The clip takes the actor's place: the intervals draw clips, each with its three predictions.
                parts.append(predicted.assign(clip_id=f"{seed} " + predicted.clip_id, actor=predicted.clip_id))
            predictions = pd.concat(parts, ignore_index=True)
            first = predictions if first is None else first
            right = predictions.label == predictions.prediction
            row = {
                "accuracy": float(right.mean()),
                "seeds": [float(each) for each in right.groupby(predictions.clip_id.str[0]).mean()],
            }
            row["interval"] = evaluation.interval(predictions, "accuracy", "actor")
            row["gain"] = evaluation.difference(first, predictions, "actor")
            found[frames][protocol] = row
            print(protocol, frames, json.dumps(row), flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("faces", "root", "weights"):
        parser.add_argument(name)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--backbone", default="imagenet", help="what to call the weights")
    parser.add_argument("--result", type=pathlib.Path)
    parser.add_argument("--frames", nargs="+", choices=["all", "mean", "one", "shuffled"])
    options = parser.parse_args()
    feature_set = gather(options.faces, options.root, options.weights)
    out = runtime.workspace() / "runs" / "within_actor" / options.backbone
    if options.frames:
        found = compare(feature_set, options.frames, options, out)
        found |= {"command": f"{command(options)} --frames {' '.join(options.frames)}"}
        found |= {"data": "RAVDESS, 60 audio-video takes of actor 5, 15 frames a clip; video alone"}
        if options.result:
            (options.result / "actor05-frames.json").write_text(json.dumps(found, indent=1) + "\n")
        return
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
