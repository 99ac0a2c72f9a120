"""Corruption robustness of a fusion: the same models on degraded test clips."""

import pathlib

import joblib
import numpy as np
import pandas as pd

from helpers import config, runtime
from helpers.audio import descriptors, speech
from helpers.evaluation import metrics
from helpers.predict.fold_ensemble import network
from helpers.training import cross_validation
from helpers.video import backbone

SNRS = (20, 10, 0)  # dB


def corrupted(features, clips, config, vgg16=None, snrs=SNRS):
    """The inputs of all clips, clean and corrupted.

    Args:
        features, config: FeatureSet with video and audio, and its AudioConfig.
        clips: DataFrame with clip_id and audio_path.
        vgg16: weights of the features' VGG16, as in `backbone.find_weights`.
    Returns:
        {corruption: dict of inputs, as `FeatureSet.inputs` gives them}, "none" first. No frames go black where a clip's
        video is one step.
    """
    inputs = features.inputs(slice(None), ("video", "audio"))
    if (features.preprocessing or {}).get("vgg16") == "random":
        vgg16 = vgg16 or "random"
    corruptions = {"none": inputs}
    for snr, audio in _noisy(features, clips, config, snrs).items():
        corruptions[f"white noise, SNR {snr} dB"] = inputs | audio
    if features.video_length.max() > 1:
        corruptions["half of the frames black"] = inputs | {"video": _black(inputs, vgg16)}
    for stream in ("video", "audio"):
        absent = {name: np.zeros_like(inputs[name]) for name in (stream, f"{stream}_length")}
        corruptions[f"without {stream}"] = inputs | absent
    return corruptions


def table(run, features, corruptions):
    """Accuracy of a fusion, a finished run's folder, under each corruption of `corrupted`, "none" first.

    Returns: pandas.DataFrame: corruption, accuracy, uar (per cent), lost (points of accuracy against clean clips).
    """
    rows = []
    for name, inputs in runtime.bar(corruptions.items(), "corruptions", "run"):
        summary = metrics.summarise(predictions(run, features, inputs), features.classes)
        rows.append({"corruption": name, "accuracy": 100 * summary["accuracy"], "uar": 100 * summary["uar"]})
    rows = pd.DataFrame(rows)
    return rows.assign(lost=rows.accuracy[0] - rows.accuracy)


def predictions(run, features, inputs):
    """A finished run's predictions of its test clips from other inputs: DataFrame clip_id label prediction fold.

    `inputs` are of all its clips, as `FeatureSet.inputs` gives them.
    """
    run = pathlib.Path(run)
    stored = cross_validation.load(run).predictions[["clip_id", "label", "fold"]]
    settings = config.read(run / "config.json")
    streams = cross_validation.MODELS[settings["model"]]
    row_of = {clip_id: row for row, clip_id in enumerate(features.clip_id.tolist())}
    inputs = {name: values for name, values in inputs.items() if name.removesuffix("_length") in streams}
    model, parts = network(settings, {stream: inputs[stream].shape[-1] for stream in streams}), []
    for number, part in stored.groupby("fold"):
        model.load_weights(run / f"fold_{number}" / "model.keras")
        rows = [row_of[clip_id] for clip_id in part.clip_id]
        probabilities = model.predict({name: values[rows] for name, values in inputs.items()}, batch_size=64, verbose=0)
        parts.append(part.assign(prediction=np.asarray(probabilities).argmax(axis=1)))
    return pd.concat(parts, ignore_index=True)


def noise(samples, snr, seed=0):
    """Samples (n,) with white noise at a signal-to-noise ratio in dB: float32 (n,)."""
    white = np.random.default_rng(seed).normal(size=len(samples))
    white *= np.sqrt(np.mean(np.square(samples)) / np.mean(np.square(white)) / 10 ** (snr / 10))
    return (samples + white).astype(np.float32)


def _noisy(features, clips, config, snrs):
    """{SNR: audio inputs}."""
    import keras
    from tqdm.auto import tqdm

    def each_snr(row, path):
        samples, rate = speech.load(path, config)
        return [descriptors.features(noise(samples, snr, [0, row]), rate, config)[0] for snr in snrs]

    paths = clips.set_index("clip_id").audio_path[features.clip_id] if snrs else ()
    jobs = [joblib.delayed(each_snr)(row, path) for row, path in enumerate(paths)]
    done = joblib.Parallel(n_jobs=runtime.workers(), prefer="threads", return_as="generator")(jobs)
    by_snr = zip(*tqdm(done, total=len(jobs), desc="white noise", unit="clip", disable=not jobs))
    return {
        snr: {
            "audio": keras.utils.pad_sequences(values, dtype="float32", padding="post"),
            "audio_length": np.array([len(each) for each in values], dtype=np.int32),  # noise changes what is trimmed
        }
        for snr, values in zip(snrs, by_snr)
    }


def _black(inputs, vgg16):
    source, _ = backbone.find_weights(vgg16)
    # Black faces of all sizes have the same embedding.
    black = backbone.embed(np.zeros((1, 48, 48, 3), dtype=np.uint8), source)[0]
    video, rng = inputs["video"].copy(), np.random.default_rng(0)
    for row, length in enumerate(inputs["video_length"]):
        video[row, rng.permutation(length)[: length // 2]] = black
    return video
