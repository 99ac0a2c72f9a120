"""One network on the outputs of pretrained encoders, alone and with the clips' action units. One JSON line a network.

    python benchmarks/encoder_network.py RAVDESS_FOLDER ACTION_UNITS.csv [--protocols luna2022 random] [--workers 2]
                                         [--models audio fusion] [--tune] [--result docs/results]

What the encoders compute of a clip, Whisper's four blocks and GE2E's three layers, is averaged over every 80 ms: 2304
numbers a step, in place of cepstra. They are read by a convolution, a bidirectional GRU and attentive statistics
pooling; the fusion also gets the clip's mean action units, as a video of one step. `--tune` compares trainings within
the training speakers of the first `luna2022` fold, which is how CHOSEN was found, and tests nothing. Resumable.
KERAS_BACKEND=jax is the faster on a CPU.
"""

import argparse
import json
import pathlib

import joblib
import numpy as np
import soxr
import threadpoolctl
from sklearn.model_selection import GroupKFold
from tables import keep
from tqdm.auto import tqdm

from helpers import config, runtime
from helpers.audio import embedding, speaker_encoder, speech, speech_encoder
from helpers.beyond import action_units, recipe
from helpers.config import SubsystemConfig, TrainConfig
from helpers.data import ravdess
from helpers.features.feature_set import FeatureSet
from helpers.training import cross_validation

STEPS = {speech_encoder: 4, speaker_encoder: 8}  # {encoder: its outputs in 80 ms}
NETWORK = recipe.NETWORK | {"frame_stacking": 1}
TRAINING = recipe.TRAINING | {"time_mask_width": 8}
TRIED = {"as the full model": {}, "learning rate 0.0005": {"learning_rate": 5e-4}}
CHOSEN = TRIED["as the full model"]
FACE = SubsystemConfig.video(cell="none", fc_units=64)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--protocols", nargs="+", default=["luna2022", "random"])
    parser.add_argument("--models", nargs="+", default=["audio", "fusion"], choices=["audio", "fusion"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tune", action="store_true", help="compare trainings on training speakers, and test nothing")
    parser.add_argument("--result", type=pathlib.Path, help="folder of the results to keep")
    options = parser.parse_args()
    features = encoded(ravdess.index(options.root), options.action_units)
    if options.tune:
        return tune(features, options.workers)
    for protocol in options.protocols:
        for model in options.models:
            name = f"network-{model}-encoders"
            out = runtime.workspace() / "runs" / "encoder_network" / f"{name}-{protocol}"
            result = train(features, model, out, CHOSEN, options.workers, protocol=protocol)
            words = f"ROOT ACTION_UNITS.csv --protocols {protocol} --models {model} --result docs/results"
            about = {"command": f"KERAS_BACKEND=jax python benchmarks/encoder_network.py {words}"}
            keep(options.result, f"{name}-{protocol}", result, config=config.read(out / "config.json"), **about)


def encoded(table, units):
    """FeatureSet of the encoders' outputs and the action units; the outputs are kept in the workspace's cache."""
    path = runtime.workspace() / "cache" / f"encoders-80-ms-{len(table)}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        jobs = [joblib.delayed(outputs)(clip) for clip in table.audio_path]
        parallel = joblib.Parallel(runtime.workers(), return_as="generator")
        clips = list(tqdm(parallel(jobs), total=len(jobs), desc="encoders", unit="clip"))
        lengths = np.array([len(clip) for clip in clips], dtype=np.int32)
        padded = np.zeros((len(clips), lengths.max(), clips[0].shape[1]), dtype=np.float16)
        for row, clip in zip(padded, clips):
            row[: len(clip)] = clip
        with runtime.replacing(path) as file:
            np.savez(file, outputs=padded, lengths=lengths, clip_id=table.clip_id.to_numpy(dtype=str))
    with np.load(path, allow_pickle=False) as file:
        values, lengths, clip_id = (file[name] for name in ("outputs", "lengths", "clip_id"))
    assert clip_id.tolist() == table.clip_id.tolist(), f"{path} is of other clips; delete it"
    about = {name: table[name].to_numpy() for name in ("label", "actor")} | {"classes": ravdess.EMOTIONS}
    features = FeatureSet(clip_id, **about, audio=values.astype(np.float32), audio_length=lengths)
    return action_units.as_video(features, action_units.read(units, table))


@threadpoolctl.threadpool_limits.wrap(limits=1, user_api="blas")
def outputs(path):
    """Both encoders' outputs of a recording, averaged over every 80 ms: float16 (T, 2304)."""
    samples, rate = speech.load(path)
    found = []
    for encoder, count in STEPS.items():
        sound = embedding.normalise(soxr.resample(samples, rate, encoder.RATE), encoder.RATE)
        steps = encoder.steps(sound)
        found.append(steps[: len(steps) // count * count].reshape(-1, count, steps.shape[1]).mean(axis=1))
    length = min(map(len, found))
    return np.concatenate([steps[:length] for steps in found], axis=1).astype(np.float16)


def train(features, model, out, changes, workers, **options):
    """Cross-validates one network: CVResult."""
    network = {key: value for key, value in changes.items() if key in SubsystemConfig.__dataclass_fields__}
    training = {key: value for key, value in changes.items() if key not in network}
    return cross_validation.cross_validate(
        features,
        model,
        out=out,
        train=TrainConfig(**TRAINING | training),
        audio=SubsystemConfig.audio(**NETWORK | network),
        video=FACE,
        workers=workers,
        **options,
    )


def tune(features, workers):
    """Prints what each of TRIED reaches on training speakers of the first `luna2022` fold, four inner folds."""
    rows, _ = ravdess.folds(features, "luna2022")[0]
    inner = features.subset(rows)
    parts = list(GroupKFold(4).split(rows, groups=inner.actor))
    for name, changes in TRIED.items():
        out = runtime.workspace() / "runs" / "encoder_network" / "tune" / recipe.slug(name)
        summary = train(inner, "audio", out, changes, workers, protocol="actor", parts=parts).summary()
        print(json.dumps({"tried": name} | {key: summary[key] for key in ("accuracy", "uar")}), flush=True)


if __name__ == "__main__":
    main()
