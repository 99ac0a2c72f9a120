"""One network on the outputs of the pretrained encoders. Prints one JSON line a protocol.

    python benchmarks/encoder_network.py RAVDESS_FOLDER [--protocols luna2022 random] [--workers 2] [--tune]
                                         [--result docs/results]

What the encoders compute of a clip, Whisper's four blocks and GE2E's three layers, is averaged over every 80 ms: 2304
numbers a step, in place of cepstra. The full model's network reads them: a convolution, a bidirectional GRU, attentive
statistics pooling. `--tune` compares learning rates within the training speakers of the first `luna2022` fold and tests
nothing. Resumable. KERAS_BACKEND=jax is the faster on a CPU.
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
from helpers.beyond import recipe
from helpers.config import SubsystemConfig, TrainConfig
from helpers.data import ravdess
from helpers.features.feature_set import FeatureSet
from helpers.training import cross_validation

STEPS = {speech_encoder: 4, speaker_encoder: 8}  # {encoder: its outputs in 80 ms}
NETWORK = recipe.NETWORK | {"frame_stacking": 1}
TRAINING = recipe.TRAINING | {"time_mask_width": 8}
TRIED = (2e-3, 5e-4)  # learning rates, the better first


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--protocols", nargs="+", default=["luna2022", "random"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tune", action="store_true", help="compare learning rates on training speakers")
    parser.add_argument("--result", type=pathlib.Path, help="folder of the results to keep")
    options = parser.parse_args()
    features = encoded(ravdess.index(options.root))
    if options.tune:
        return tune(features, options.workers)
    for protocol in options.protocols:
        name = f"network-audio-encoders-{protocol}"
        out = runtime.workspace() / "runs" / "encoder_network" / name
        result = train(features, out, TRIED[0], options.workers, protocol=protocol)
        command = f"python benchmarks/encoder_network.py ROOT --protocols {protocol} --result docs/results"
        about = {"command": f"KERAS_BACKEND=jax {command}", "config": config.read(out / "config.json")}
        keep(options.result, name, result, **about)


def encoded(table):
    """FeatureSet of the encoders' outputs, which are kept in the workspace's cache."""
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
    return FeatureSet(clip_id, **about, audio=values.astype(np.float32), audio_length=lengths)


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


def train(features, out, learning_rate, workers, **options):
    """Cross-validates one network: CVResult."""
    training = TrainConfig(**TRAINING | {"learning_rate": learning_rate})
    options |= {"out": out, "train": training, "audio": SubsystemConfig.audio(**NETWORK), "workers": workers}
    return cross_validation.cross_validate(features, "audio", **options)


def tune(features, workers):
    """Prints what each rate reaches on training speakers of the first `luna2022` fold, four inner folds."""
    rows, _ = ravdess.folds(features, "luna2022")[0]
    inner = features.subset(rows)
    parts = list(GroupKFold(4).split(rows, groups=inner.actor))
    for rate in TRIED:
        out = runtime.workspace() / "runs" / "encoder_network" / f"tune-{rate:g}"
        summary = train(inner, out, rate, workers, protocol="actor", parts=parts).summary()
        print(json.dumps({"learning rate": rate} | {key: summary[key] for key in ("accuracy", "uar")}), flush=True)


if __name__ == "__main__":
    main()
