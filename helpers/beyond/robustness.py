"""What is a fusion worth when a stream is missing, noisy or dark? Its own test clips, made worse, answered again."""

import pathlib

import numpy as np

from helpers import config, runtime
from helpers.audio import descriptors, speech
from helpers.evaluation import metrics
from helpers.predict.fold_ensemble import network
from helpers.training import cross_validation
from helpers.video import backbone

SNRS = (20, 10, 0)  # dB
SIZE = 48  # px, of a black face: all faces of one size, black, are one embedding


def corrupted(features, clips, config, vgg16=None, seed=0, snrs=SNRS):
    """Every clip as it is and made worse, once for all the runs that are to answer.

    Args:
        features: FeatureSet with both streams.
        clips: DataFrame with clip_id and audio_path: where the sound is that noise is added to.
        config: AudioConfig of the features.
        vgg16: weights of the features' VGG16, as in `backbone.find_weights`.
        seed: of the noise, and of which frames go dark.
        snrs: of the noise, in dB; none leaves the sound alone.

    Returns:
        {damage: dict of inputs, as `FeatureSet.inputs` of all clips gives them}. No frames go dark where the video
        stream has one step a clip.
    """
    inputs = features.inputs(slice(None), ("video", "audio"))
    if (features.preprocessing or {}).get("vgg16") == "random":
        vgg16 = vgg16 or "random"
    found = {"none": inputs}
    for snr, voices in _noisy(features, clips, config, seed, snrs).items():
        found[f"white noise, SNR {snr} dB"] = inputs | voices
    if features.video_length.max() > 1:
        found["half of the frames black"] = inputs | {"video": _dark(inputs, vgg16, seed)}
    return found | {"no pictures": without(inputs, "video"), "no sound": without(inputs, "audio")}


def table(run, features, damages):
    """Accuracy of a finished fusion under each damage.

    Args:
        run: folder of the finished `training.cross_validate` of a fusion.
        features: FeatureSet it was trained on.
        damages: as `damaged` gives them, "none" first.

    Returns:
        pandas.DataFrame, one row a damage: damage, accuracy, uar, lost (points of accuracy against undamaged clips).
    """
    import pandas as pd

    rows = []
    for name, inputs in damages.items():
        summary = metrics.summarise(predictions(run, features, inputs), features.classes)
        rows.append({"damage": name, "accuracy": 100 * summary["accuracy"], "uar": 100 * summary["uar"]})
    found = pd.DataFrame(rows)
    return found.assign(lost=found.accuracy[0] - found.accuracy)


def predictions(run, features, inputs):
    """A finished run's answers to its own test clips, damaged; nothing is trained.

    Args:
        run: folder of the finished `training.cross_validate`.
        features: FeatureSet it was trained on.
        inputs: of all its clips, as `FeatureSet.inputs` gives them.

    Returns:
        DataFrame with clip_id, label, prediction and fold.
    """
    import pandas as pd

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


def without(inputs, stream):
    """Inputs whose stream is not there: all zeros, of length 0."""
    lacking = {stream: np.zeros_like(inputs[stream]), f"{stream}_length": np.zeros_like(inputs[f"{stream}_length"])}
    return inputs | lacking


def noise(samples, snr, seed=0):
    """A sound with white noise.

    Args:
        samples: float (n,).
        snr: energy of the sound over that of the noise, in dB.
        seed: of the noise.

    Returns:
        float32 (n,).
    """
    drawn = np.random.default_rng(seed).normal(size=len(samples))
    drawn *= np.sqrt(np.mean(np.square(samples)) / np.mean(np.square(drawn)) / 10 ** (snr / 10))
    return (samples + drawn).astype(np.float32)


def _noisy(features, clips, config, seed, snrs):
    """{SNR: the audio stream's inputs}."""
    if not snrs:
        return {}
    import joblib

    def steps(row, path):
        samples, rate = speech.load(path, config)
        return [descriptors.features(noise(samples, snr, [seed, row]), rate, config)[0] for snr in snrs]

    paths = dict(zip(clips.clip_id, clips.audio_path))
    jobs = [joblib.delayed(steps)(row, paths[clip_id]) for row, clip_id in enumerate(features.clip_id)]
    made = joblib.Parallel(n_jobs=runtime.workers(), prefer="threads")(jobs)
    return {snr: _padded([clip[place] for clip in made]) for place, snr in enumerate(snrs)}


def _padded(clips):
    import keras

    length = np.array([len(steps) for steps in clips], dtype=np.int32)  # not the old one: less is silence now
    return {"audio": keras.utils.pad_sequences(clips, dtype="float32", padding="post"), "audio_length": length}


def _dark(inputs, vgg16, seed):
    source, _ = backbone.find_weights(vgg16)
    black = backbone.embed(np.zeros((1, SIZE, SIZE, 3), dtype=np.uint8), source)[0]
    video, rng = inputs["video"].copy(), np.random.default_rng(seed)
    for row, length in enumerate(inputs["video_length"]):
        video[row, rng.permutation(length)[: length // 2]] = black
    return video
