"""What is a fusion worth when a stream is missing, noisy or dark? Its own test clips, made worse, answered again."""

import json
import pathlib

import numpy as np

from helpers import backbone, evaluation, fold, speech, training

SNRS = (20, 10, 0)  # dB
SIZE = 48  # px, of a black face: all faces of one size, black, are one embedding


def table(run, features, clips, config, vgg16=None, seed=0):
    """Accuracy of a finished fusion under each damage.

    Args:
        run: folder of the finished `training.cross_validate` of a fusion.
        features: FeatureSet it was trained on.
        clips: DataFrame with clip_id and audio_path: where the sound is that noise is added to.
        config: AudioConfig of the features.
        vgg16: weights of the features' VGG16, as in `backbone.find_weights`.
        seed: of the noise, and of which frames go dark.

    Returns:
        pandas.DataFrame, one row a damage: damage, accuracy, uar, lost (points of accuracy against undamaged clips).
    """
    import pandas as pd

    damages = {
        "none": lambda inputs: inputs,
        **{f"white noise, SNR {snr} dB": _noisy(features, clips, config, snr, seed) for snr in SNRS},
        "half of the frames black": _dark(features, vgg16, seed),
        "no pictures": lambda inputs: without(inputs, "video"),
        "no sound": lambda inputs: without(inputs, "audio"),
    }
    rows = []
    for name, damage in damages.items():
        answers = predictions(run, features, damage)
        summary = evaluation.summarise(answers, features.classes)
        rows.append({"damage": name, "accuracy": 100 * summary["accuracy"], "uar": 100 * summary["uar"]})
    found = pd.DataFrame(rows)
    return found.assign(lost=found.accuracy[0] - found.accuracy)


def predictions(run, features, damage):
    """A finished run's answers to its own test clips, damaged; nothing is trained.

    Args:
        run: folder of the finished `training.cross_validate`.
        features: FeatureSet it was trained on.
        damage: function of a dict of inputs, as `FeatureSet.inputs` of all clips gives them, to such a dict.

    Returns:
        DataFrame with clip_id, label, prediction and fold.
    """
    import pandas as pd

    run = pathlib.Path(run)
    stored = training.load(run).predictions[["clip_id", "label", "fold"]]
    settings = json.loads((run / "config.json").read_text())
    streams = training.MODELS[settings["model"]]
    row_of = {clip_id: row for row, clip_id in enumerate(features.clip_id.tolist())}
    inputs = damage(features.inputs(slice(None), streams))
    dims = {stream: inputs[stream].shape[-1] for stream in streams}
    blank = {stream: (np.zeros(dim, "float32"), np.ones(dim, "float32")) for stream, dim in dims.items()}
    model, parts = fold.assemble(settings, dims, blank), []
    for number, part in stored.groupby("fold"):
        model.load_weights(run / f"fold_{number}" / "model.keras")
        rows = [row_of[clip_id] for clip_id in part.clip_id]
        chances = model.predict({name: values[rows] for name, values in inputs.items()}, batch_size=64, verbose=0)
        parts.append(part.assign(prediction=np.asarray(chances).argmax(axis=1)))
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


def _noisy(features, clips, config, snr, seed):
    paths = dict(zip(clips.clip_id, clips.audio_path))

    def damage(inputs):
        audio = np.zeros_like(inputs["audio"])
        for row, (clip_id, length) in enumerate(zip(features.clip_id, inputs["audio_length"])):
            samples, rate = speech.load(paths[clip_id], config)
            made = speech.mfcc(noise(samples, snr, [seed, row]), rate, config)[:length]
            audio[row, : len(made)] = made
        return inputs | {"audio": audio}

    return damage


def _dark(features, vgg16, seed):
    def damage(inputs):
        source, _ = backbone.find_weights(vgg16)
        black = backbone.embed(np.zeros((1, SIZE, SIZE, 3), dtype=np.uint8), source)[0]
        video, rng = inputs["video"].copy(), np.random.default_rng(seed)
        for row, length in enumerate(inputs["video_length"]):
            video[row, rng.permutation(length)[: length // 2]] = black
        return inputs | {"video": video}

    return damage
