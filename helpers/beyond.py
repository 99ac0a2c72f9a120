"""What goes beyond the thesis, by name: the richer voice, its network and its training, and what each part is worth.

An experiment is three sets of changes: to how the sound is described, to the network, and to the training.
"""

import dataclasses
import json

from helpers import runtime
from helpers.config import AudioConfig, SubsystemConfig, TrainConfig

# 39 cepstra of 64 mel bands and six contours every 20 ms, silence at both ends cut off.
SOUND = {"rate": 24_000, "frame": 1536, "hop": 480, "n_mels": 64, "n_mfcc": 39, "pre_emphasis": 0.0}
SOUND |= {"prosody": True, "trim": 38.0}
# Four frames side by side, a convolution, one GRU both ways, and a pooling that keeps mean, spread and maximum.
NETWORK = {"gru_layers": 1, "gru_units": 96, "bidirectional": True, "stack": 4, "convolution": 96}
NETWORK |= {"attention": "statistics", "rnn_dropout": 0.2}
TRAINING = {"epochs": 40, "batch_size": 32, "learning_rate": 2e-3, "schedule": "cosine", "warm_up": 0.1}
TRAINING |= {"weight_decay": 0.01, "clip_norm": 2.0, "label_smoothing": 0.1}
# How each clip is changed anew each epoch.
CHANGES = {"stretch": 0.2, "warp": 0.12, "equaliser": 2.0, "noise_floor": 0.3, "masks": 8}


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One row of the ablation.

    Attributes:
        name: what a reader calls it.
        sound: AudioConfig.
        network: SubsystemConfig.
        train: TrainConfig.
    """

    name: str
    sound: AudioConfig
    network: SubsystemConfig
    train: TrainConfig


def experiment(name, sound=None, network=None, train=None):
    """The whole recipe with changes: {field: value} of AudioConfig, SubsystemConfig and TrainConfig."""
    return Experiment(
        name,
        AudioConfig(**SOUND | (sound or {})),
        SubsystemConfig.audio(**NETWORK | (network or {})),
        TrainConfig(**TRAINING | CHANGES | (train or {})),
    )


def ablation():
    """{name: Experiment}: the whole, and the whole with one thing other than it is."""
    plain = dict.fromkeys(CHANGES, 0.0) | {"masks": 0}
    rows = [
        experiment("everything"),
        experiment("13 MFCC instead of 39", {"n_mfcc": 13}),
        experiment("log mel bands instead of MFCC", {"n_mfcc": 64}),
        experiment("with deltas", {"deltas": 1}),
        experiment("without prosody", {"prosody": False}),
        experiment("silence left on", {"trim": 0.0}),
        experiment("no augmentation", None, None, plain),
        experiment("no change of tempo", None, None, {"stretch": 0.0}),
        experiment("no change of voice", None, None, {"warp": 0.0}),
        experiment("no change of room", None, None, {"equaliser": 0.0, "noise_floor": 0.0}),
        experiment("no masks", None, None, {"masks": 0}),
        experiment("with a shift in time", None, None, {"shift": 12}),
        experiment("with mixup", None, None, {"mixup": 0.2}),
        experiment("no label smoothing", None, None, {"label_smoothing": 0.0}),
        experiment("forwards only", None, {"bidirectional": False, "gru_units": 192}),
        experiment("the thesis' attention", None, {"attention": "soft"}),
        experiment("temporal-aware blocks", None, {"bidirectional": False, "cell": "tim", "gru_layers": 4}),
        experiment("self-attention", None, {"bidirectional": False, "cell": "transformer", "gru_layers": 2}),
        experiment("no memory at all", None, {"bidirectional": False, "cell": "none"}),
    ]
    return {row.name: row for row in rows}


def slug(name):
    """A row's name as a file's."""
    return name.replace(" ", "-").replace("'", "").replace("→", "to")


def result(name):
    """A committed result: the content of docs/results/<name>.json.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    return json.loads((runtime.PROJECT / "docs" / "results" / f"{name}.json").read_text())


def published():
    """The committed ablation: DataFrame, one row an experiment; accuracy and UAR in per cent, and what was trained.

    `luna2022` has all its five folds; `random` those of its ten that the column says. 40 epochs, one seed. The gain is
    over "everything" on the same clips, with its 95 % interval over people (luna2022) or clips (random).
    """
    import pandas as pd

    rows = {}
    for name in ablation():
        row = {}
        for protocol in ("luna2022", "random"):
            found = _found(f"beyond-audio-{protocol}-{slug(name)}-{TRAINING['epochs']}")
            if found:
                row[f"{protocol}, accuracy"] = round(100 * found["average"], 2)
                row[f"{protocol}, UAR"] = round(100 * found["uar"], 2)
                row[f"{protocol}, gain"] = _gain(found)
                row[f"{protocol}, folds"] = found["folds"]
                row["parameters"] = found["parameters"]
        if row:
            rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _gain(found):
    if "against_everything" not in found:
        return ""
    seen, low, high = (100 * share for share in found["against_everything"])
    return f"{seen:+.1f} ({low:+.1f} to {high:+.1f})"


# What a reader calls it: its files in docs/results, by protocol.
HEADLINE = {
    "voice: the thesis' network": {"luna2022": "audio-luna2022", "random": "audio-random"},
    "voice: functionals, support vectors": {p: f"shallow-audio-{p}" for p in ("luna2022", "random")},
    "voice: functionals, linear discriminant": {p: f"shallow-linear-{p}" for p in ("luna2022", "random")},
    "voice: support vectors, speaker guessed": {p: f"shallow-audio-known-{p}" for p in ("luna2022", "random")},
    "voice: linear discriminant, speaker guessed": {p: f"shallow-linear-known-{p}" for p in ("luna2022", "random")},
    "voice: everything here": {p: f"beyond-voice-{p}" for p in ("luna2022", "random")},
    "voice: all of these together": {p: f"beyond-voices-{p}" for p in ("luna2022", "random")},
    "face: action units": {p: f"shallow-video-{p}" for p in ("luna2022", "random")},
    "fusion: all of these": {p: f"beyond-fusion-{p}" for p in ("luna2022", "random")},
    "voice, person by person": {p: f"beyond-voices-{p}-per-person" for p in ("luna2022", "random")},
    "face, person by person": {p: f"shallow-video-{p}-per-person" for p in ("luna2022", "random")},
    "fusion, person by person": {p: f"beyond-fusion-{p}-per-person" for p in ("luna2022", "random")},
}


def headline():
    """The committed results on all 24 actors: DataFrame, accuracy, its 95 % interval and UAR in per cent."""
    import pandas as pd

    rows = {}
    for label, files in HEADLINE.items():
        row = {}
        for protocol, name in files.items():
            found = _found(name)
            if found:
                low, high = found["accuracy_interval"]
                row[f"{protocol}, accuracy"] = f"{100 * found['average']:.2f}"
                row[f"{protocol}, 95 %"] = f"{100 * low:.1f} to {100 * high:.1f}"
                row[f"{protocol}, UAR"] = f"{100 * found['uar']:.2f}"
        rows[label] = row
    return pd.DataFrame.from_dict(rows, orient="index").fillna("")


def _found(name):
    try:
        return result(name)
    except FileNotFoundError:
        return None
